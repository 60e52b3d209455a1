"""``easiedge bench``: a run's network beside the dense one, in turns, engine by engine; what each takes, and where the time goes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from easiedge.bench_networks import BenchNetworks, Variant
from easiedge.deploy.bench.bench_record import BenchRecord
from easiedge.deploy.bench.cores import check_threads, pinned
from easiedge.deploy.bench.energy import energy_meter, joules_in_turns, watts_when_idle
from easiedge.deploy.bench.engine import Engine
from easiedge.deploy.bench.engines import chosen_engines
from easiedge.deploy.bench.interleaved import Timed, interleaved, times_faster
from easiedge.deploy.bench.layers import layer_times
from easiedge.deploy.bench.memory import measured_memory
from easiedge.deploy.bench.peak import Peak, measured_peak
from easiedge.deploy.latency.engine import machine
from easiedge.errors import EasiEdgeError
from easiedge.report.bar import Bar

FOLDER, PROFILED = "bench", "onnxruntime"
DENSE = "dense"


@dataclass(frozen=True)
class BenchRequest:
    """What is asked for.

    Attributes:
        run: the run directory.
        engines: names, see `easiedge.deploy.bench.engines`; None for all that work here.
        batches: numbers of images.
        threads: of each engine; the process is kept on as many cores.
        seconds: of timing, for each engine and batch; each network runs twenty times at least.
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


def bench(request: BenchRequest) -> BenchRecord:
    """Measure, and write ``bench.json`` after each engine, so that an interrupt loses one engine at most.

    Raises:
        EasiEdgeError: the request is wrong, or no engine ran the networks.
    """
    engines, absent = chosen_engines(request.engines)
    with tempfile.TemporaryDirectory() as folder:
        networks = BenchNetworks(request.run, request.dense, max(request.batches), Path(folder))
        about = {"machine": machine(), "input_shape": list(networks.shape), "networks": networks.about}
        record = BenchRecord(request.run / FOLDER, about, request.threads, absent)
        steps = len(engines) * len(request.batches) + request.layers
        with pinned(request.threads) as cores, Bar(steps, "benchmark", "measurements") as bar:
            job = _Job(request, networks, measured_peak(request.threads), bar)
            record.begin(job.peak.gmacs_per_s, cores, job.idle_watts())
            for engine in engines:
                try:
                    for rows in job.rows(engine, record.reasons):
                        record.add(engine, rows)
                except EasiEdgeError as error:
                    record.failed(engine.name, str(error))
                record.write()
            if request.layers:
                job.add_layers(record)
                record.write()
    if not record.measured:
        raise EasiEdgeError("; ".join(f"{name}: {why}" for name, why in record.reasons.items()))
    return record


class _Job:
    """What all engines of a request have in common."""

    def __init__(self, request: BenchRequest, networks: BenchNetworks, peak: Peak, bar: Bar) -> None:
        self.request, self.networks, self.peak, self.bar = request, networks, peak, bar
        self.meter = energy_meter()

    def idle_watts(self) -> float | None:
        """Of the machine, where it tells."""
        return None if self.meter is None else watts_when_idle(self.meter)

    def rows(self, engine: Engine, reasons: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
        """One list of rows for each batch."""
        variants, tiny = self.networks.variants(engine, reasons), self.networks.tiny(engine)
        for batch in self.request.batches:
            images = self.networks.images[:batch].contiguous()
            loaded, differences = {}, {}
            for v in list(variants):
                loaded[v.name] = engine.load(v.file, images, self.request.threads)
                try:
                    differences[v.name] = self.networks.difference(v, loaded[v.name], engine)
                except EasiEdgeError as error:
                    if v.precision == "float32":
                        raise
                    reasons[f"{engine.name} {v.precision}"] = str(error)
                    variants.remove(v)
                    del loaded[v.name]
            runs = {name: each.run for name, each in loaded.items()}
            timed = interleaved(runs, self.request.seconds)
            joules = {} if self.meter is None else joules_in_turns(self.meter, runs)
            rows = []
            for v in variants:
                memory = measured_memory(engine.name, v.file, (batch, *self.networks.shape), self.request.threads, tiny)
                energy = joules[v.name] / batch if v.name in joules else None
                rows.append(
                    {
                        "engine": engine.name, "network": v.network, "precision": v.precision, "batch": batch, "threads": self.request.threads,
                        **self._times(v, timed, batch), "file_bytes": v.bytes, **memory.as_json(), "joules_per_image": energy,
                        "max_abs_diff": differences[v.name], "at": datetime.now().astimezone().isoformat(timespec="seconds"),
                    }
                )  # fmt: skip
            yield rows
            self.bar.step(f"{engine.name}, batch {batch}")

    def add_layers(self, record: BenchRecord) -> None:
        """Both networks layer by layer, where there is an engine that tells."""
        try:
            chosen_engines([PROFILED])
            dense, pruned = (self.networks.networks[name] for name in (DENSE, "pruned"))
            image = self.networks.images[:1].contiguous()
            times = layer_times(dense, pruned, image, self.request.threads, self.peak)
            record.layers([each.as_json() for each in times])
        except EasiEdgeError as error:
            record.failed("layers", str(error))
        self.bar.step("layer by layer")

    def _times(self, variant: Variant, timed: dict[str, Timed], batch: int) -> dict[str, Any]:
        own = timed[variant.name]
        faster = None if variant.name == DENSE else asdict(times_faster(own, timed[DENSE]))
        macs = self.networks.about[variant.network]["macs"] * batch
        return {
            "median_ms": own.median_ms, "p5_ms": own.percentile_ms(5), "p95_ms": own.percentile_ms(95), "runs": own.wall_ms.size,
            "disturbed": own.disturbed, "times_faster": faster, "images_per_s": 1e3 * batch / own.median_ms,
            "share_of_peak": self.peak.share(macs, own.median_ms),
        }  # fmt: skip
