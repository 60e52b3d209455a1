"""What travels with a run's networks in ``provenance.json``: how to use them, and where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from easiedge.assembly import Parts
from easiedge.data.image_data import ImageData
from easiedge.deploy.image_input import ImageInput, image_input
from easiedge.errors import DataError
from easiedge.plain_values import finite
from easiedge.report.metrics import versions
from easiedge.unit import FilterMask


def network_provenance(parts: Parts, cfg: DictConfig, mask: FilterMask | None = None) -> dict[str, Any]:
    """Input, classes, names, configuration and versions; of a pruned network the units that stayed and the weights it was pruned from."""
    names = parts.names
    found = {
        **form_of(parts.data).as_json(),
        "model": names.model,
        "data": names.data,
        "seed": parts.seed,
        "versions": versions(),
        "config": finite(OmegaConf.to_container(cfg, resolve=True)),
    }
    if mask is not None:
        sizes = {g.name: g.size for g in parts.groups}
        groups = {n: {"units": sizes[n], "kept": k.nonzero().flatten().tolist()} for n, k in mask.keep.items()}
        found |= {"method": names.method, "from": _weights(parts, cfg), "pruned": groups}
    return found


def form_of(data: ImageData) -> ImageInput:
    """What the data say about the network's input."""
    return ImageInput(data.input_shape, tuple(data.mean), tuple(data.std), tuple(map(str, data.class_names)), data.fit)


def input_of(data: ImageData, provenance: Mapping[str, Any], where: Path) -> ImageInput:
    """The network's input, as its provenance and the data have it; old artifacts leave it to the data.

    Raises:
        DataError: the data are not those of the network.
    """
    form = form_of(data)
    if "input" in provenance:
        known = image_input(provenance, where)
        for name, mine, theirs in (
            (f, getattr(known, f), getattr(form, f)) for f in ("shape", "mean", "std", "classes", "fit")
        ):
            if mine != theirs:
                raise DataError(
                    f"the data have {name} {str(theirs)[:120]}, the network in {where} was made for {str(mine)[:120]}: give the run's own "
                    "data, data.root=DIR"
                )
    return form


def _weights(parts: Parts, cfg: DictConfig) -> Mapping[str, str]:
    """Name and SHA-256 of the file with the dense network's weights."""
    file = (
        Path(cfg.weights).expanduser() if cfg.weights is not None else parts.directory / "dense" / "model.safetensors"
    )
    return {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
