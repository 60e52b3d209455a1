"""The two networks of a benchmark: what they are, what they say to the same images, and their forms for each engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.deploy.artifact import load, save
from easiedge.deploy.bench.engine import Engine, Loaded
from easiedge.deploy.bench.memory import TINY
from easiedge.deploy.export.export_record import bytes_of, exported_file, fingerprint
from easiedge.deploy.export.formats import FORMATS
from easiedge.deploy.image_input import image_input
from easiedge.deploy.torch_runner import torch_runner
from easiedge.errors import EasiEdgeError, EquivalenceError, ModelError
from easiedge.model.count import count
from easiedge.model.operations import CONVOLUTIONS
from easiedge.run_dense import dense_of
from easiedge.run_directory import run_network

INT8_FORMATS = {"onnxruntime": "onnx", "openvino": "openvino"}  # in which an engine reads int8 files
TOLERANCE = 1e-3  # of logits that differ from the artifact's, relative to the largest


@dataclass(frozen=True)
class Variant:
    """A network as one engine loads it.

    Attributes:
        network: ``dense`` or ``pruned``.
        precision: ``float32`` or ``int8``.
        file: what the engine loads.
        bytes: of the file and those that belong to it.
    """

    network: str
    precision: str
    file: Path
    bytes: int

    @property
    def name(self) -> str:
        """For people."""
        return self.network if self.precision == "float32" else f"{self.network} {self.precision}"


class BenchNetworks:
    """A run's network and its dense one.

    Args:
        run: the run directory.
        dense: the folder of the dense network, where it is not the run's.
        images: how many there are to run on; random numbers, since they take as long as pictures.
        folder: for files that engines load.

    Raises:
        EasiEdgeError: a network is missing, changed, or does not belong to the other.
    """

    def __init__(self, run: Path, dense: Path | None, images: int, folder: Path) -> None:
        self.run, self.folder = run, folder
        found = run_network(run)
        made = dense_of(run, found.provenance, folder / "dense", dense)
        self.shape = image_input(found.provenance, found.directory).shape
        self.artifacts = {"dense": made.artifact, "pruned": found.directory}
        self.networks = {"dense": load(made.artifact).float(), "pruned": found.network}
        self.images = torch.randn(max(images, 2), *self.shape, generator=torch.Generator().manual_seed(0))
        self.wanted = {name: self._said(name) for name in self.networks}
        sources = {"dense": made.source, "pruned": str(found.directory)}
        self.about: dict[str, dict[str, Any]] = {
            name: {
                **count(network, self.images[:2]), "source": sources[name], "sha256": fingerprint(self.artifacts[name]), "widths": _widths(network),
            }
            for name, network in self.networks.items()
        }  # fmt: skip
        self._check()

    def variants(self, engine: Engine, reasons: dict[str, str]) -> list[Variant]:
        """Both networks for an engine, and the int8 file of the pruned one where ``easiedge export --int8`` has made it."""
        found = []
        for name, artifact in self.artifacts.items():
            file = engine.file(artifact, self.images, self._place(engine, name))
            found.append(Variant(name, "float32", file, engine.size(file)))
        if engine.quantized:
            kind = FORMATS[INT8_FORMATS[engine.name]]
            try:
                small = exported_file(self.run / "export", self.artifacts["pruned"], kind, precision="int8")
                if small is not None:
                    found.append(Variant("pruned", "int8", small, bytes_of(small, kind.beside)))
            except EasiEdgeError as error:
                reasons[f"{engine.name} int8"] = str(error)
        return found

    def tiny(self, engine: Engine) -> Path:
        """A network of a few numbers for the engine."""
        place = self._place(engine, "tiny")
        save(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten(), nn.Linear(4, 2)).eval(), place / "artifact")
        return engine.file(place / "artifact", torch.zeros(TINY), place)

    def difference(self, variant: Variant, loaded: Loaded, engine: Engine) -> float:
        """Of the logits, from the artifact's in torch.

        Raises:
            EquivalenceError: a float32 network computes something else, or any gives no numbers.
        """
        logits: Tensor = loaded.logits(loaded.run()).float()
        wanted = self.wanted[variant.network][: len(logits)]
        if not bool(torch.isfinite(logits).all()):
            raise EquivalenceError(
                f"the {variant.name} network gives logits in {engine.name} that are no finite numbers"
            )
        difference = float((logits - wanted).abs().max())
        if variant.precision == "float32" and difference > TOLERANCE * max(1.0, float(wanted.abs().max())):
            raise EquivalenceError(
                f"{engine.name} does not compute what the {variant.name} artifact does: logits differ by up to {difference:.2g}"
            )
        return difference

    def _place(self, engine: Engine, name: str) -> Path:
        place = self.folder / engine.name / name
        place.mkdir(parents=True, exist_ok=True)
        return place

    def _said(self, name: str) -> Tensor:
        where = self.artifacts[name]
        try:
            return torch_runner(self.networks[name], where)(self.images)
        except (RuntimeError, ValueError, IndexError) as error:
            shape = "x".join(map(str, self.shape))
            raise ModelError(
                f"the {name} network in {where} does not take the run's images of {shape} ({str(error).splitlines()[0][:120]}): give the one that "
                "was pruned, --dense DIR"
            ) from error

    def _check(self) -> None:
        """The dense network must be one from which the pruned one can have come."""
        classes = {name: said.shape[1] for name, said in self.wanted.items()}
        if classes["dense"] != classes["pruned"]:
            raise ModelError(
                f"the dense network has {classes['dense']} classes and the run's {classes['pruned']}: give the one that was pruned, --dense DIR"
            )
        for what in ("params", "macs"):
            dense, pruned = (self.about[name][what] for name in ("dense", "pruned"))
            if dense < pruned:
                raise ModelError(
                    f"the dense network has {dense:,} {what} and the run's {pruned:,}: give the one that was pruned, --dense DIR"
                )


def _widths(network: nn.Module) -> list[int]:
    """Output channels of each convolution."""
    return [int(m.out_channels) for m in network.modules() if isinstance(m, CONVOLUTIONS)]
