"""Labels and probabilities for image files, by a run's exported network or its artifact; needs no part of training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from easiedge.deploy.artifact import load
from easiedge.deploy.bench.cores import check_threads
from easiedge.deploy.export.export_record import exported_file
from easiedge.deploy.export.formats import FORMATS
from easiedge.deploy.image_input import ImageInput, image_input
from easiedge.deploy.onnx_export import stopped_at
from easiedge.deploy.provenance import read_provenance
from easiedge.deploy.torch_runner import torch_runner
from easiedge.errors import DataError, EasiEdgeError, ModelError
from easiedge.run_directory import artifact_of

ENGINES = ("auto", "onnx", "torch")


@dataclass(frozen=True)
class Prediction:
    """What the network says to an image.

    Attributes:
        image: the file.
        labels: most probable classes, the best first.
        probabilities: of these.
        ms: milliseconds that the network took for this image alone, without reading the file.
    """

    image: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    ms: float


@dataclass(frozen=True, eq=False)
class Predictor:
    """A network that is ready for images.

    Attributes:
        run: images ``[1, channels, height, width]`` to logits.
        form: how files become images.
        engine: what runs it, in words.
        where: the network's folder, for messages.
        note: what its user should know beside the answers, if anything.
    """

    run: Callable[[Tensor], Tensor]
    form: ImageInput
    engine: str
    where: Path
    note: str = ""

    def warm_up(self) -> None:
        """Run once, which engines take longer for.

        Raises:
            ModelError: the network does not take images as its provenance describes them.
        """
        try:
            self.run(torch.zeros(1, *self.form.shape))
        except EasiEdgeError:
            raise
        except Exception as error:  # engines have errors of their own
            raise ModelError(
                f"the network in {self.where} does not take images of the shape {list(self.form.shape)} that its provenance names "
                f"({stopped_at(error)}): save it again with the right input"
            ) from error

    def __call__(self, image: str | Path, top: int = 1) -> Prediction:
        """Classify one file.

        Raises:
            DataError: it cannot be read.
            ModelError: the network does not give one finite number for each class.
        """
        x = self.form.read(image)
        begun = time.perf_counter()
        logits = self.run(x)
        ms = 1e3 * (time.perf_counter() - begun)
        if tuple(logits.shape) != (1, len(self.form.classes)):
            raise ModelError(
                f"the network gives {list(logits.shape)} for an image, and {len(self.form.classes)} classes are named"
            )
        if not bool(logits.isfinite().all()):
            raise ModelError(
                f"the network in {self.where} gives logits that are not finite for {image}: its weights, or mean and std in its provenance, "
                "are wrong; save or prune it again"
            )
        values, places = logits.double().softmax(1)[0].topk(min(top, logits.shape[1]))
        return Prediction(str(image), tuple(self.form.classes[i] for i in places.tolist()), tuple(values.tolist()), ms)


def predictor(run: Path, engine: str = "auto", threads: int = 1, network: str = "pruned") -> Predictor:
    """The exported ONNX network where there is one that was made from this artifact, else the artifact in torch.

    Args:
        run: a run directory, or an artifact's folder.
        engine: ``auto``, ``onnx`` (there must be one) or ``torch``.
        threads: of the engine.
        network: ``pruned`` or ``dense``.

    Raises:
        EasiEdgeError: no such run or network, an artifact that was changed or says nothing about images, an unknown engine.
    """
    if engine not in ENGINES:
        raise EasiEdgeError(f"--engine {engine} is unknown: choose {', '.join(ENGINES)}")
    check_threads(threads)
    where = artifact_of(run, network)
    form = image_input(read_provenance(where), where)
    note = ""
    if engine != "torch":
        try:
            return _exported(run, where, form, threads, network)
        except EasiEdgeError as error:
            if engine == "onnx":
                raise
            note = f"{error}; the artifact answers instead" if isinstance(error, ModelError) else ""
    loaded = load(where).float()
    torch.set_num_threads(threads)
    return Predictor(torch_runner(loaded, where), form, f"the artifact in torch {torch.__version__}", where, note)


def _exported(run: Path, where: Path, form: ImageInput, threads: int, network: str) -> Predictor:
    """The run's ONNX file.

    Raises:
        EasiEdgeError: there is none made from this artifact, or no engine.
        ModelError: it, or its record, was changed.
    """
    found = exported_file(run / "export", where, FORMATS["onnx"], network)
    if found is None:
        raise EasiEdgeError(f"{run} has no ONNX file made from this artifact: easiedge export {run}")
    version = FORMATS["onnx"].engine()["version"]
    return Predictor(FORMATS["onnx"].runner(found, threads), form, f"{found.name} in ONNX Runtime {version}", where)


def predict(ready: Predictor, images: Sequence[str | Path], top: int = 1) -> tuple[list[Prediction], list[str]]:
    """Classify all images that can be read; the second list says what is wrong with the others."""
    found, skipped = [], []
    ready.warm_up()
    for image in images:
        try:
            found.append(ready(image, top))
        except DataError as error:
            skipped.append(str(error))
    return found, skipped
