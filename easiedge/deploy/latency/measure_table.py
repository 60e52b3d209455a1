"""Measure a network at a grid of widths on the machine at hand, and fit the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from easiedge.deploy.latency.engine import this_setting
from easiedge.deploy.latency.fit import fit
from easiedge.deploy.latency.profile import Profile, profiled, without_profiler
from easiedge.deploy.latency.table import LatencyTable, Quality
from easiedge.deploy.latency.timing import check_counts, exported
from easiedge.deploy.latency.widths import layer_widths, leading_units, measured_widths
from easiedge.deploy.onnx_export import one_image
from easiedge.errors import EasiEdgeError
from easiedge.model.filter_groups import analyse
from easiedge.model.graph import two_images
from easiedge.surgery.shrink import cut
from easiedge.unit import FilterGroup

NETWORKS, REPETITIONS, WARM_UP, FEWEST = 48, 30, 5, 8
SCATTERED = 0.1  # interquartile range over the median


def measure_table(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    example_inputs: Tensor | tuple[Tensor, ...],
    *,
    threads: int = 1,
    networks: int = NETWORKS,
    repetitions: int = REPETITIONS,
    warm_up: int = WARM_UP,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> LatencyTable:
    """Make the latency table of ``model`` on this machine, in ONNX Runtime on the CPU.

    Every group is measured at ``networks`` widths from a 64th of its units to all of them, each layer at as many pairs of
    widths, within networks that are shrunk for real (`measured_widths`).  Each is timed by turns with the dense network and
    brought to one nominal speed, that of the median over all the time that measuring takes (turns.py): the table's
    milliseconds are those of a machine on which the dense network takes ``quality.dense_ms``.  Networks whose times scattered
    are measured again at the end.

    Args:
        model: the dense network; its weights do not matter and are left as they are.
        groups: the groups that may shrink.
        example_inputs: a batch; its first image's shape is what is timed.
        threads: threads within an operator.
        networks: how many shrunk networks to measure, from 8.
        repetitions: timed runs of each, at least, twice: with the engine's profiler and without.
        warm_up: runs before them.
        seed: of the random widths.
        progress: is told how many networks are done.

    Raises:
        EasiEdgeError: the engine is missing, or a count is wrong.
        ModelError: the network cannot be exported.
    """
    check_counts(repetitions, warm_up)
    if networks < FEWEST:
        raise EasiEdgeError(f"networks={networks} is too few to fit a latency table: measure at least {FEWEST}")
    setting = this_setting(threads)
    widths = layer_widths(model, groups, example_inputs)
    walk, inputs = analyse(model, example_inputs)[0], one_image(model, example_inputs)
    kept = measured_widths(widths.sizes, networks, seed)
    reference = exported(model, inputs, threads)

    def measured(n: NDArray[np.int64]) -> Profile:
        smaller = cut(walk, groups, leading_units(n, groups), two_images(model, example_inputs)).eval()
        return profiled(smaller, widths.layers, inputs, threads, repetitions, warm_up, reference)

    found = []
    for n in kept:
        found.append(measured(n))
        progress(len(found))
    for i in disturbed(found):
        again = measured(kept[i])
        found[i] = again if again.spread < found[i].spread else found[i]
    profiles, speed = at_one_speed(found)
    fitted = fit(widths, kept, profiles)
    quality = Quality(
        networks, repetitions, warm_up, float(np.median([p.spread for p in profiles])), speed.dense_ms,
        float(np.median(fitted.errors)), float(fitted.errors.max()), speed.slowest, speed.fastest, speed.profiler_ms,
    )  # fmt: skip
    dense = np.stack(widths.at(widths.sizes), 1).round().astype(np.int64)
    shape = tuple(inputs[0].shape)
    return LatencyTable(
        setting, shape, widths.layers, widths.kinds, dense, fitted.surfaces, fitted.overhead, fitted.factor, quality,
        fitted.streaming, float(widths.megabytes(*widths.at(widths.sizes)).sum()),
    )  # fmt: skip


@dataclass(frozen=True)
class Speed:
    """What the machine did while the table was made: see `Quality`."""

    dense_ms: float
    slowest: float
    fastest: float
    profiler_ms: float


def disturbed(found: Sequence[Profile]) -> list[int]:
    """The networks whose times scattered most, at most a quarter of all, the worst first."""
    order = sorted(range(len(found)), key=lambda i: -found[i].spread)[: len(found) // 4]
    return [i for i in order if found[i].spread > SCATTERED]


def at_one_speed(found: Sequence[Profile]) -> tuple[list[Profile], Speed]:
    """All networks at the speed that the machine had in the median, and without what the profiler adds."""
    references = np.array([p.reference_ms for p in found])
    nominal = float(np.median(references))
    profiles, profiler_ms = without_profiler([p.at(nominal) for p in found])
    return profiles, Speed(nominal, float(references.max() / nominal), float(references.min() / nominal), profiler_ms)
