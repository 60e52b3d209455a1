"""How long one image takes: the median over repetitions after a warm-up, with its spread."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from easiedge.deploy.latency.engine import Setting, session, this_setting
from easiedge.deploy.onnx_export import one_image, onnx_bytes
from easiedge.errors import EasiEdgeError

WARM_UP, REPETITIONS = 10, 50


@dataclass(frozen=True)
class Latency:
    """Milliseconds per image of a network, and how they were measured.

    Attributes:
        median_ms: median over the repetitions.
        low_ms, high_ms: first and third quartile.
        repetitions: timed runs.
        warm_up: runs before them.
        setting: engine, threads and machine.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    repetitions: int
    warm_up: int
    setting: Setting

    @property
    def spread(self) -> float:
        """Interquartile range as a share of the median."""
        return (self.high_ms - self.low_ms) / self.median_ms


def measure_latency(
    model: nn.Module,
    example_inputs: Tensor | tuple[Tensor, ...],
    *,
    threads: int = 1,
    repetitions: int = REPETITIONS,
    warm_up: int = WARM_UP,
) -> Latency:
    """Time ``model`` on the first image of ``example_inputs`` in ONNX Runtime on the CPU of this machine.

    Raises:
        EasiEdgeError: the engine is missing, or a count is wrong.
        ModelError: the network cannot be exported.
    """
    check_counts(repetitions, warm_up)
    setting = this_setting(threads)
    inputs = one_image(model, example_inputs)
    run = runner(session(onnx_bytes(model, inputs), threads), inputs)
    times = timed(run, repetitions, warm_up)
    low, median, high = (float(q) for q in np.percentile(times, [25, 50, 75]))
    return Latency(median, low, high, repetitions, warm_up, setting)


def check_counts(repetitions: int, warm_up: int) -> None:
    """Raise unless there is something to take a median of."""
    if repetitions < 1 or warm_up < 0:
        raise EasiEdgeError(f"repetitions={repetitions} must be at least 1 and warm_up={warm_up} at least 0")


def runner(opened: Any, inputs: tuple[Tensor, ...]) -> Any:
    """A function that runs the session once on ``inputs``."""
    feed = {slot.name: x.cpu().numpy() for slot, x in zip(opened.get_inputs(), inputs, strict=True)}
    return lambda: opened.run(None, feed)


def timed(run: Any, repetitions: int, warm_up: int) -> list[float]:
    """Milliseconds of each repetition."""
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(repetitions):
        begun = time.perf_counter_ns()
        run()
        times.append((time.perf_counter_ns() - begun) / 1e6)
    return times
