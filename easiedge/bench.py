"""``easiedge bench``: a run's network beside the dense one, in turns, engine by engine; what each takes, and where the time goes."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from easiedge.deploy.artifact import load
from easiedge.deploy.bench.bench_record import BenchRecord
from easiedge.deploy.bench.cores import check_threads, pinned
from easiedge.deploy.bench.energy import Meter, energy_meter, joules_per_run, watts_when_idle
from easiedge.deploy.bench.engine import Engine, Loaded
from easiedge.deploy.bench.engines import chosen_engines
from easiedge.deploy.bench.interleaved import Timed, interleaved, times_faster
from easiedge.deploy.bench.layers import layer_times
from easiedge.deploy.bench.memory import measured_memory
from easiedge.deploy.bench.peak import Peak, measured_peak
from easiedge.deploy.export.export_record import exported_file, fingerprint
from easiedge.deploy.export.formats import FORMATS
from easiedge.deploy.image_input import image_input
from easiedge.deploy.latency.engine import machine
from easiedge.deploy.torch_runner import torch_runner
from easiedge.errors import EasiEdgeError, EquivalenceError
from easiedge.model.count import count
from easiedge.report.bar import Bar
from easiedge.run_dense import dense_of
from easiedge.run_directory import run_network

log = logging.getLogger(__name__)
FOLDER = "bench"
PROFILED = "onnxruntime"
QUANTIZED = {"onnxruntime": "onnx", "openvino": "openvino"}  # the format of each engine that int8 files are in
TOLERANCE = 1e-3  # of logits that differ from the artifact's, relative to the largest
ENERGY_SECONDS = 2.0


@dataclass(frozen=True)
class BenchRequest:
    """What is asked for.

    Attributes:
        run: the run directory.
        engines: names, see `easiedge.deploy.bench.engines`; None for all that work here.
        batches: numbers of images.
        threads: of each engine; the process is kept on as many cores.
        seconds: of timing, for each engine and batch.
        dense: the folder of the dense network, where it is not the run's.
        layers: whether to look into the networks as well.
    """

    run: Path
    engines: tuple[str, ...] | None = None
    batches: tuple[int, ...] = (1, 32)
    threads: int = 1
    seconds: float = 5.0
    dense: Path | None = None
    layers: bool = True

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        check_threads(self.threads)
        if not self.batches or any(b < 1 for b in self.batches) or len({*self.batches}) < len(self.batches):
            raise EasiEdgeError("--batch must be different whole numbers from 1, such as 1,32")
        if not 0 < self.seconds <= 3600:
            raise EasiEdgeError(f"--seconds {self.seconds:g} must be above 0 and at most 3600")


@dataclass(frozen=True)
class _Variant:
    """A network as one engine has it: ``dense``, ``pruned`` or ``pruned-int8``."""

    name: str
    file: Path
    macs: int

    @property
    def network(self) -> str:
        return self.name.removesuffix("-int8")


def bench(request: BenchRequest) -> BenchRecord:
    """Measure, and write ``bench.json`` after each engine, so that an interrupt loses one engine at most.

    Raises:
        EasiEdgeError: the request is wrong, or no engine ran the networks.
    """
    engines, absent = chosen_engines(request.engines)
    with tempfile.TemporaryDirectory() as folder:
        job = _Job(request, Path(folder))
        record = job.record(absent)
        steps = len(engines) * len(request.batches) + request.layers
        with pinned(request.threads) as cores, Bar(steps, "benchmark", "measurements") as bar:
            record.begin(job.peak(), cores, job.idle_watts())
            for engine in engines:
                try:
                    for rows in job.rows(engine, bar):
                        record.add(engine, rows)
                except EasiEdgeError as error:
                    record.failed(engine.name, str(error))
                record.write()
            if request.layers:
                job.add_layers(record, bar)
                record.write()
    if not record.measured:
        raise EasiEdgeError("; ".join(f"{name}: {why}" for name, why in record.reasons.items()))
    return record


class _Job:
    """What all engines of a request have in common."""

    def __init__(self, request: BenchRequest, folder: Path) -> None:
        self.request, self.folder = request, folder
        found = run_network(request.run)
        dense = dense_of(request.run, found.provenance, folder / "dense", request.dense)
        self.form = image_input(found.provenance, found.directory)
        self.artifacts = {"dense": dense.artifact, "pruned": found.directory}
        self.networks = {name: load(where).float() for name, where in self.artifacts.items()}
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randn(max(*request.batches, 2), *self.form.shape, generator=generator)
        self.wanted = {
            name: torch_runner(network, self.artifacts[name])(self.images) for name, network in self.networks.items()
        }
        costs = {name: count(network, self.images[:2]) for name, network in self.networks.items()}
        sources = {"dense": dense.source, "pruned": str(found.directory)}
        self.about: dict[str, dict[str, Any]] = {
            n: {**costs[n], "source": sources[n], "sha256": fingerprint(self.artifacts[n])} for n in costs
        }
        self.meter: Meter | None = energy_meter()
        self.measured_peak: Peak | None = None

    def record(self, absent: dict[str, str]) -> BenchRecord:
        """The record, with what was measured before of the same networks on the same machine."""
        about = {"machine": machine(), "input_shape": list(self.form.shape), "networks": self.about}
        return BenchRecord(self.request.run / FOLDER, about, self.request.threads, absent)

    def peak(self) -> Peak:
        """Of the machine, now."""
        self.measured_peak = measured_peak(self.request.threads)
        return self.measured_peak

    def idle_watts(self) -> float | None:
        """Of the machine, where it tells."""
        return None if self.meter is None else watts_when_idle(self.meter)

    def rows(self, engine: Engine, bar: Bar) -> Iterator[list[dict[str, Any]]]:
        """One list of rows for each batch."""
        variants = self._variants(engine)
        for batch in self.request.batches:
            images = self.images[:batch].contiguous()
            loaded = {v.name: engine.load(v.file, images, self.request.threads) for v in variants}
            differences = {v.name: self._difference(v, loaded[v.name], engine) for v in variants}
            timed = interleaved({name: each.run for name, each in loaded.items()}, self.request.seconds)
            joules = {
                name: joules_per_run(self.meter, each.run, ENERGY_SECONDS) / batch if self.meter else None
                for name, each in loaded.items()
            }
            yield [
                {
                    "engine": engine.name, "network": v.network, "precision": "int8" if v.name != v.network else "float32",
                    "batch": batch, "threads": self.request.threads, **self._times(v, timed, batch),
                    "file_bytes": engine.size(v.file), **self._memory(engine, v, batch),
                    "joules_per_image": joules[v.name], "max_abs_diff": differences[v.name],
                }
                for v in variants
            ]  # fmt: skip
            bar.step(f"{engine.name}, batch {batch}")

    def add_layers(self, record: BenchRecord, bar: Bar) -> None:
        """Both networks layer by layer, where there is an engine that tells."""
        assert self.measured_peak is not None
        try:
            chosen_engines([PROFILED])
            image = self.images[:1].contiguous()
            times = layer_times(
                self.networks["dense"], self.networks["pruned"], image, self.request.threads, self.measured_peak
            )
            record.layers([each.as_json() for each in times])
        except EasiEdgeError as error:
            record.failed("layers", str(error))
        bar.step("layer by layer")

    def _variants(self, engine: Engine) -> list[_Variant]:
        found = []
        for name, artifact in self.artifacts.items():
            folder = self.folder / engine.name / name
            folder.mkdir(parents=True, exist_ok=True)
            found.append(_Variant(name, engine.file(artifact, self.images, folder), self.about[name]["macs"]))
        if engine.quantized:
            kind = FORMATS[QUANTIZED[engine.name]]
            small = exported_file(self.request.run / "export", self.artifacts["pruned"], kind, precision="int8")
            if small is not None:
                found.append(_Variant("pruned-int8", small, self.about["pruned"]["macs"]))
        return found

    def _difference(self, variant: _Variant, loaded: Loaded, engine: Engine) -> float:
        """Of the logits, from the artifact's in torch.

        Raises:
            EquivalenceError: the engine computes something else.
        """
        logits: Tensor = loaded.logits(loaded.run()).float()
        wanted = self.wanted[variant.network][: len(logits)]
        difference = float((logits - wanted).abs().nan_to_num(float("inf"), float("inf")).max())
        if variant.name == variant.network and not difference <= TOLERANCE * max(1.0, float(wanted.abs().max())):
            raise EquivalenceError(
                f"{engine.name} does not compute what the {variant.name} artifact does: logits differ by up to {difference:.2g}"
            )
        return difference

    def _times(self, variant: _Variant, timed: dict[str, Timed], batch: int) -> dict[str, Any]:
        assert self.measured_peak is not None
        own = timed[variant.name]
        faster = None if variant.name == "dense" else asdict(times_faster(own, timed["dense"]))
        return {
            "median_ms": own.median_ms, "p5_ms": own.percentile_ms(5), "p95_ms": own.percentile_ms(95), "runs": own.runs_ms.size,
            "drift": own.drift, "times_faster": faster, "images_per_s": 1e3 * batch / own.median_ms,
            "share_of_peak": self.measured_peak.share(variant.macs * batch, own.median_ms),
        }  # fmt: skip

    def _memory(self, engine: Engine, variant: _Variant, batch: int) -> dict[str, Any]:
        shape: Sequence[int] = (batch, *self.form.shape)
        return measured_memory(engine.name, variant.file, shape, self.request.threads).as_json()
