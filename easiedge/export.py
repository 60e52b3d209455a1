"""``easiedge export``: a run's network in the formats of engines; each file is run and compared with the artifact, or not kept."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from easiedge.deploy.bench.cores import check_threads
from easiedge.deploy.export.agreement import Agreement, compare, logits, refuse_disagreement, refuse_not_finite
from easiedge.deploy.export.engine_format import EngineFormat
from easiedge.deploy.export.export_folder import forget, place
from easiedge.deploy.export.export_record import file_facts, files_of, fingerprint, read_record
from easiedge.deploy.export.formats import FORMATS, chosen_formats
from easiedge.deploy.export.int8 import quantize
from easiedge.deploy.export.onnx_format import Onnx
from easiedge.deploy.export.openvino_format import OpenVino
from easiedge.deploy.export.ready import ready
from easiedge.deploy.export.reasons import NotWrittenError, Reasons
from easiedge.deploy.image_input import ImageInput
from easiedge.deploy.latency.engine import machine
from easiedge.deploy.torch_runner import torch_runner
from easiedge.errors import EasiEdgeError, EquivalenceError, ModelError
from easiedge.report.network_provenance import input_of
from easiedge.run_directory import RunNetwork, run_data, run_network

log = logging.getLogger(__name__)
FOLDER = "export"
QUANTIZED = ("onnx", "openvino")  # formats that int8 goes into
_WHAT_FOR = {
    False: "files are compared on the test images alone, but a data set is loaded as a whole: its training images must be there too",
    True: "--int8 takes its ranges from the training images, and files are compared on the test images",
}  # by whether int8 is asked for


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for.

    Attributes:
        run: the run directory.
        formats: names, see `easiedge.deploy.export.formats`.
        int8: also with int8 weights and activations.
        network: ``pruned`` or ``dense``.
        images: of the test split on which files and artifact are compared, at most.
        calibration: training images on which the ranges of activations are observed.
        drop: points of accuracy that int8 may cost.
        threads: of each engine.
        overrides: of the run's data.
    """

    run: Path
    formats: tuple[str, ...] = ("onnx",)
    int8: bool = False
    network: str = "pruned"
    images: int = 5000
    calibration: int = 512
    drop: float = 2.0
    threads: int = 1
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        for name in ("images", "calibration"):
            if getattr(self, name) < 1:
                raise EasiEdgeError(f"--{name} {getattr(self, name)} must be at least 1")
        check_threads(self.threads)
        if not 0 <= self.drop <= 100:
            raise EasiEdgeError(f"--drop {self.drop} must be from 0 to 100 points of accuracy")
        if self.int8 and not {*QUANTIZED} & {*self.formats}:
            raise EasiEdgeError(f"--int8 needs a format that holds it: --to {' or '.join(QUANTIZED)}")


@dataclass(frozen=True, eq=False)
class Exported:
    """What came of a request.

    Attributes:
        entries: of ``export.json``, one for each file that was made.
        refused: why the others are not: a format cannot hold the network, or the file disagreed.
    """

    entries: Sequence[dict[str, Any]]
    refused: Sequence[EasiEdgeError]

    def check(self) -> None:
        """Raise if a file is missing.

        Raises:
            EasiEdgeError: the first reason, and the others.
        """
        if self.refused:
            rest = "".join(f"; also: {other}" for other in self.refused[1:])
            raise type(self.refused[0])(f"{self.refused[0]}{rest}") from self.refused[0]


def export(request: ExportRequest) -> Exported:
    """Write and prove every file that was asked for.

    Raises:
        EasiEdgeError: the request is wrong; nothing was written.
    """
    formats = chosen_formats(request.formats)
    if request.int8:
        FORMATS["onnx"].engine()  # quantizes for all
    found = run_network(request.run, request.network)
    folder = request.run / FOLDER
    read_record(folder)
    job = _Job(request, found, run_data(request.run, request.overrides, _WHAT_FOR[request.int8]))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EasiEdgeError(
            f"{folder} cannot be made ({error.strerror}): move away what is there, or mend its permissions"
        ) from error
    entries: list[dict[str, Any]] = []
    reasons = Reasons(found.directory)
    for kind in formats:
        for int8 in (False, True) if request.int8 and kind.name in QUANTIZED else (False,):
            name = f"{found.name}{'-int8' if int8 else ''}{kind.suffix}"
            try:
                entries.append(job.proved(kind, folder, name, int8))
            except EasiEdgeError as error:
                reasons.add(name, error, forget(folder, name, job.source))
    return Exported(entries, reasons.errors())


class _Job:
    """What all files of a request have in common: the images, and what the artifact says to them."""

    def __init__(self, request: ExportRequest, found: RunNetwork, data: Any) -> None:
        self.request, self.found, self.data = request, found, data
        self.form: ImageInput = input_of(data, found.provenance, found.directory)
        count = min(request.images, len(data.test))
        self.batches = data.evaluation_batches("test", count if count < len(data.test) else None, section="export")
        self.labels = torch.cat([labels for _, labels in self.batches])
        self.ready = ready(found.network)
        self.wanted = logits(
            torch_runner(found.network, found.directory), self.batches, f"the network in {found.directory}"
        )
        if not bool(self.wanted.isfinite().all()):
            raise ModelError(
                f"the network in {found.directory} gives logits that are not finite on the run's images: train or prune it again"
            )
        self.source = fingerprint(found.directory)
        self.metadata = {"easiedge": json.dumps({**self.form.as_json(), "from": self.source})}

    def proved(self, kind: EngineFormat, folder: Path, name: str, int8: bool) -> dict[str, Any]:
        """Write, run and compare one file; it gets its place, and its entry in the record, only then.

        Raises:
            NotWrittenError: the format cannot hold the network.
            EasiEdgeError: the file breaks, or disagrees.
        """
        log.info("writing %s and comparing it on %d images", folder / name, len(self.labels))
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as made:
            path = Path(made) / name
            try:
                (self._write_int8 if int8 else self._write)(kind, path)
            except ModelError as error:
                raise NotWrittenError(str(error)) from error
            agreed, artifact = self._agreed(kind, path, int8)
            entry = self._entry(kind, path, int8, agreed, artifact)
            place(
                folder, files_of(path, kind.beside), kind.beside, entry, {"machine": machine(), **self.form.as_json()}
            )
        return entry

    def _write(self, kind: EngineFormat, path: Path) -> None:
        kind.write(self.ready, self._example(), path, self.metadata)

    def _write_int8(self, kind: EngineFormat, path: Path) -> None:
        with tempfile.TemporaryDirectory() as other:
            plain, small = Path(other) / "float.onnx", Path(other) / "int8.onnx"
            self._write(Onnx(), plain)
            quantize(plain, small, self._calibration())
            if isinstance(kind, OpenVino):
                kind.convert(small, path, self.metadata)
            else:
                shutil.copyfile(small, path)

    def _agreed(self, kind: EngineFormat, path: Path, int8: bool) -> tuple[Agreement, float]:
        """How far the file agrees, and the artifact's accuracy.

        Raises:
            EasiEdgeError: the file breaks, or disagrees.
        """
        run = kind.runner(path, self.request.threads)
        values = logits(run, self.batches, path.name)
        refuse_not_finite(values, path.name)
        agreed = compare(values, self.wanted, self.labels)
        artifact = compare(self.wanted, self.wanted, self.labels).accuracy
        if int8:
            self._refuse_drop(path.name, artifact, agreed.accuracy)
        else:
            refuse_disagreement(agreed, path.name)
            self._check_one_image(run, values, path.name)
        return agreed, artifact

    def _entry(self, kind: EngineFormat, path: Path, int8: bool, agreed: Agreement, artifact: float) -> dict[str, Any]:
        precision = (
            {"precision": "int8", "calibration_images": self.request.calibration} if int8 else {"precision": "float32"}
        )
        return {
            "format": kind.name, "network": self.found.name, **precision, **kind.engine(), "threads": self.request.threads,
            "dynamic_batch": kind.dynamic_batch, **asdict(agreed), "artifact_accuracy": artifact, "from": self.source,
            **file_facts(path, kind.beside),
        }  # fmt: skip

    def _refuse_drop(self, name: str, before: float, after: float) -> None:
        if 100 * (before - after) > self.request.drop + 1e-9:
            raise EquivalenceError(
                f"{name} costs {100 * (before - after):.2f} points of accuracy ({before:.2%} to {after:.2%}), more than --drop "
                f"{self.request.drop:g}: try more --calibration images, or keep float32; the file was not kept"
            )

    def _check_one_image(self, run: Callable[[Tensor], Tensor], values: Tensor, name: str) -> None:
        """A batch of one gives what the first image of a batch gave."""
        alone = logits(run, [(self.batches[0][0][:1], self.labels[:1])], name)
        refuse_disagreement(compare(alone, values[:1], self.labels[:1]), f"{name} with a batch of one")

    def _example(self) -> Tensor:
        images = self.batches[0][0]
        return torch.cat([images[:1], images[-1:]])

    def _calibration(self) -> Tensor:
        count = min(self.request.calibration, len(self.data.train))
        return torch.cat([images for images, _ in self.data.calibration_batches(count)])
