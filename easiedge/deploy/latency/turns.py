"""Times that stay comparable on a machine that drifts: everything is timed by turns with one reference network.

Clocks change, neighbours come and go, and the same network takes 4 ms in one minute and 6 in the next.  What stays is how long a
network takes beside another one that runs in the same fraction of a second.  So each round times a block of the reference, a
block of every network, and a block of the reference again; ``m_r`` is the median of a block of round ``r`` and ``d_r`` the mean
of the medians of the two reference blocks around it.  With the mean over the middle half of the rounds (their interquartile mean),

    ratio = mean_r (m_r / d_r)        ms at nominal speed = ratio * nominal,

where ``nominal`` is the reference's milliseconds when the machine is as fast as it was overall.  Drift that is slow against a
round (tens of milliseconds) leaves the ratio alone; a disturbance shorter than half a block leaves its median alone, one that is
longer spoils a round, and the mean over the middle passes over it.

With one thread the clock is the thread's processor time: the wall clock's, less the time in which another process held the core.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Clock = Callable[[], int]
ROUNDS, MOST_RUNS, BLOCK_MS, SETTLE = 8, 60, 8.0, 2
REFERENCE_RUNS, REFERENCE_BLOCK_MS, REFERENCE_SETTLE = (2, 20), 20.0, 1


@dataclass(frozen=True, eq=False)
class Turns:
    """What one network took, by turns with the reference.

    Attributes:
        runs_ms: every timed run ``[rounds, runs]``.
        reference_ms: what the reference took around each block ``[rounds]``.
    """

    runs_ms: Array
    reference_ms: Array

    @property
    def ratio(self) -> float:
        """How long the network takes, in times of the reference."""
        return robust_ratio(self.runs_ms, self.reference_ms)

    @property
    def spread(self) -> float:
        """Interquartile range of the runs, each over the reference of its round, as a share of their median."""
        low, middle, high = np.percentile(self.runs_ms / self.reference_ms[:, None], [25, 50, 75])
        return float((high - low) / middle)


def robust_ratio(runs_ms: Array, reference_ms: Array) -> float:
    """Interquartile mean over the rounds of (median of a round's runs / its reference), from ``[rounds, runs]`` and ``[rounds]``."""
    return middle_mean(np.median(runs_ms, 1) / reference_ms)


def middle_mean(values: Array) -> float:
    """Mean of the middle half."""
    cut = len(values) // 4
    return float(np.sort(values)[cut : len(values) - cut].mean())


def clock_for(threads: int) -> Clock:
    """Nanoseconds: of the calling thread's processor time where it does all the work, else of the wall clock."""
    return time.thread_time_ns if threads == 1 else time.perf_counter_ns


def by_turns(
    networks: Sequence[Callable[[], object]],
    reference: Callable[[], object],
    repetitions: int,
    warm_up: int,
    rounds: int = ROUNDS,
    clock: Clock = time.perf_counter_ns,
) -> list[Turns]:
    """Time each of ``networks`` by turns with ``reference``.

    Args:
        networks: functions that run a network once.
        reference: the same for the reference.
        repetitions: timed runs of each network, at least, spread over the rounds; quick networks get more, so that a block
            takes some milliseconds.
        warm_up: untimed runs of each before the first round; each block begins with some more, which fill the caches again.
        rounds: blocks of each.
        clock: nanoseconds (`clock_for`).
    """
    rounds = min(rounds, repetitions)
    each = math.ceil(repetitions / rounds)
    counts = []
    for run in networks:
        block(run, warm_up, 0, clock)
        counts.append(_runs(run, each, max(each, MOST_RUNS), BLOCK_MS, clock))
    block(reference, warm_up, 0, clock)
    of_reference = _runs(reference, *REFERENCE_RUNS, REFERENCE_BLOCK_MS, clock)
    runs: list[list[Array]] = [[] for _ in networks]
    beside = [_median(reference, of_reference, clock)]
    for _ in range(rounds):
        for i, (run, count) in enumerate(zip(networks, counts, strict=True)):
            runs[i].append(block(run, SETTLE, count, clock))
        beside.append(_median(reference, of_reference, clock))
    around = (np.array(beside[1:]) + np.array(beside[:-1])) / 2
    return [Turns(np.stack(r), around) for r in runs]


def _median(reference: Callable[[], object], timed: int, clock: Clock) -> float:
    return float(np.median(block(reference, REFERENCE_SETTLE, timed, clock)))


def block(run: Callable[[], object], untimed: int, timed: int, clock: Clock = time.perf_counter_ns) -> Array:
    """Milliseconds of each of ``timed`` runs after ``untimed`` ones ``[timed]``."""
    for _ in range(untimed):
        run()
    times = np.empty(timed)
    for i in range(timed):
        begun = clock()
        run()
        times[i] = (clock() - begun) / 1e6
    return times


def _runs(run: Callable[[], object], fewest: int, most: int, wanted_ms: float, clock: Clock) -> int:
    """Runs in a block: about ``wanted_ms`` long, within limits."""
    once = max(float(block(run, 0, 2, clock).min()), 1e-6)
    return max(fewest, min(most, math.ceil(wanted_ms / once)))
