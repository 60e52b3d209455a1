"""How long one image takes: the median over repetitions after a warm-up, with its spread; beside another network where asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from easiedge.deploy.latency.engine import Setting, session, this_setting
from easiedge.deploy.latency.turns import block, by_turns, clock_for
from easiedge.deploy.onnx_export import one_image, onnx_bytes
from easiedge.errors import EasiEdgeError

WARM_UP, REPETITIONS = 10, 50


@dataclass(frozen=True)
class Latency:
    """Milliseconds per image of a network, and how they were measured.

    Attributes:
        median_ms: median over the repetitions, at whatever speed the machine had.
        low_ms, high_ms: first and third quartile.
        repetitions: timed runs.
        warm_up: runs before them.
        setting: engine, threads and machine.
        beside_ms: median of the network that was timed by turns with this one, None without such.
        ratio: how long the network takes in times of the other, robust against drift and disturbances (turns.py); None without.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    repetitions: int
    warm_up: int
    setting: Setting
    beside_ms: float | None = None
    ratio: float | None = None

    @property
    def spread(self) -> float:
        """Interquartile range as a share of the median."""
        return (self.high_ms - self.low_ms) / self.median_ms

    def at(self, nominal_ms: float) -> float:
        """Milliseconds at the speed at which the network beside takes ``nominal_ms``: ``ratio * nominal_ms``.

        With the dense network beside, and ``nominal_ms = table.quality.dense_ms``, it is what the table's milliseconds mean,
        whatever the machine is doing now: ``measured * table_dense_ms / dense_measured_now``.

        Raises:
            EasiEdgeError: nothing was measured beside it.
        """
        if self.ratio is None:
            raise EasiEdgeError(
                "this latency was measured alone, so the machine's speed at the time is not known: give measure_latency beside=dense"
            )
        return self.ratio * nominal_ms


def measure_latency(
    model: nn.Module,
    example_inputs: Tensor | tuple[Tensor, ...],
    *,
    threads: int = 1,
    repetitions: int = REPETITIONS,
    warm_up: int = WARM_UP,
    beside: nn.Module | None = None,
) -> Latency:
    """Time ``model`` on the first image of ``example_inputs`` in ONNX Runtime on the CPU of this machine.

    Whether a shrunk network holds a limit that a latency table speaks of, on a machine that drifts:

        ms = measure_latency(shrunk, x, beside=dense).at(table.quality.dense_ms)

    Args:
        model: the network.
        example_inputs: a batch, of which one image is run.
        threads: threads within an operator; with one, the time is the thread's processor time (turns.py).
        repetitions: timed runs, at least.
        warm_up: runs before them.
        beside: a network that is timed by turns with ``model``, such as the dense one.

    Raises:
        EasiEdgeError: the engine is missing, or a count is wrong.
        ModelError: a network cannot be exported.
    """
    check_counts(repetitions, warm_up)
    setting, clock = this_setting(threads), clock_for(threads)
    run = exported(model, example_inputs, threads)
    ratio = beside_ms = None
    if beside is None:
        times = block(run, warm_up, repetitions, clock)
    else:
        (turns,) = by_turns([run], exported(beside, example_inputs, threads), repetitions, warm_up, clock=clock)
        times, ratio, beside_ms = turns.runs_ms.reshape(-1), turns.ratio, float(np.median(turns.reference_ms))
    low, median, high = (float(q) for q in np.percentile(times, [25, 50, 75]))
    return Latency(median, low, high, times.size, warm_up, setting, beside_ms, ratio)


def exported(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...], threads: int) -> Callable[[], Any]:
    """A function that runs ``model`` once, in the engine, on the first image."""
    inputs = one_image(model, example_inputs)
    return runner(session(onnx_bytes(model, inputs), threads), inputs)


def check_counts(repetitions: int, warm_up: int) -> None:
    """Raise unless there is something to take a median of."""
    if repetitions < 1 or warm_up < 0:
        raise EasiEdgeError(f"repetitions={repetitions} must be at least 1 and warm_up={warm_up} at least 0")


def runner(opened: Any, inputs: tuple[Tensor, ...]) -> Callable[[], Any]:
    """A function that runs the session once on ``inputs``."""
    feed = {slot.name: x.cpu().numpy() for slot, x in zip(opened.get_inputs(), inputs, strict=True)}
    return lambda: opened.run(None, feed)
