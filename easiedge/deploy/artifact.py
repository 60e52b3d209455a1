"""Save and load a network without pickle: ``architecture.json``, ``model.safetensors``, and ``provenance.json`` with their hashes.

Loading needs easiedge, torch, safetensors and numpy, and imports nothing else.  It takes memory for the weights in the file, and for a
moment as much again: the bytes whose hash is checked are those that become tensors, so that no change of the file can come in between.
Sizes that the description claims and the weights do not have take none.  Nothing of what is in the files is run, and they are refused
when a single byte has changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import fx, nn

from easiedge.atomic import write_atomically
from easiedge.deploy.provenance import LARGEST, PROVENANCE, check_about, check_files, opened, read_file, sealed
from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.architecture import as_text, build, describe, reached_state, upgraded

ARCHITECTURE, WEIGHTS = "architecture.json", "model.safetensors"


def save(network: nn.Module, directory: str | Path, provenance: Mapping[str, Any] | None = None) -> None:
    """Write ``network`` into ``directory``; it loads anywhere with `load`, without its class and without pruning again.

    Args:
        network: any network whose layers and functions are torch's own, usually from `shrink`.
        directory: made if need be; each file is written whole or not at all, the hashes last.
        provenance: what its users need to know, as JSON can hold it: ``input`` and ``classes`` as `easiedge.deploy.image_input`
            reads them, and anything else but the names that easiedge writes itself, ``schema``, ``files`` and ``sha256``.

    Raises:
        ModelError: the network, or the provenance, holds something that an artifact cannot.
        EasiEdgeError: the directory cannot be written.
    """
    directory = Path(directory)
    about = {} if provenance is None else provenance
    check_about(about)
    description = describe(network)
    state = {name: t.detach().cpu().contiguous().clone() for name, t in reached_state(network, description).items()}
    files = {WEIGHTS: safetensors.torch.save(state), ARCHITECTURE: as_text(description).encode()}
    seal = sealed(files, {"schema": description["schema"], **about})
    for name, content in (*files.items(), (PROVENANCE, seal)):
        write_atomically(directory / name, content)


def artifact_size(directory: str | Path) -> int:
    """Bytes of weights and architecture in ``directory``: what the network is, without what is said about it."""
    return sum((Path(directory) / name).stat().st_size for name in (WEIGHTS, ARCHITECTURE))


def load(directory: str | Path) -> fx.GraphModule:
    """Load what `save` wrote, in eval mode on the CPU.  Nothing in the files is executed.

    Raises:
        EasiEdgeError: a file is missing.
        ModelError: the files were changed, are malformed, do not fit each other, or name anything outside the allowed set.
    """
    directory = Path(directory)
    files = {name: read_file(directory / name, most) for name, most in ((ARCHITECTURE, LARGEST), (WEIGHTS, None))}
    has_seal = (directory / PROVENANCE).exists()
    try:
        description = json.loads(files[ARCHITECTURE])
        schema = description["schema"] if isinstance(description, dict) and "schema" in description else None
        upgraded(description)  # a later version of easiedge may seal in another way: its artifacts are refused as such
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"{directory / ARCHITECTURE} cannot be read ({str(error)[:120]}): copy or export the network again"
        ) from error
    if has_seal:
        check_files(opened(read_file(directory / PROVENANCE, LARGEST), directory), files, directory)
    elif schema != 1:
        raise EasiEdgeError(
            f"{directory} holds no whole network ({PROVENANCE} is missing): copy all of the folder that easiedge.save wrote"
        )
    try:
        state = safetensors.torch.load(files[WEIGHTS])
    except (ValueError, SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(
            f"{directory / WEIGHTS} cannot be read ({str(error)[:120]}): copy or export the network again"
        ) from error
    with torch.device("meta"):  # no memory for sizes that the weights do not have
        network = build(description)
    try:
        network.load_state_dict(state, assign=True)  # in the precision of the file
        network.eval()
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()[:200]
        raise ModelError(
            f"weights and architecture in {directory} do not fit each other ({first}): copy or export it again"
        ) from error
    return network
