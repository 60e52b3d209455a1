"""Networks timed in turns, so that what disturbs one disturbs the others: medians, percentiles, and a ratio with an interval.

A round times a block of each network, in one order and in the next round in the other.  With ``m_r`` the median of a network's block
in round ``r`` and ``d_r`` that of the reference,

    times = mean_r (d_r / m_r),        the mean over the middle half of the rounds,

which slow drift of the machine leaves alone; its interval is the bootstrap's over the rounds.  Turns do not help against other processes
that take the core away: that happens within a long run and seldom within a short one, and would make the short one look faster than it is.
So every run is asked whether it was interrupted (the system counts involuntary switches), and ``m_r`` and ``d_r`` are medians of those
that were not.  Where the machine was so busy that too few rounds have any, the ratio is that of processor time, which does not count
what others took, and it is marked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from easiedge.deploy.latency.turns import middle_mean

try:
    import resource
except ImportError:  # a system that does not count
    resource = None  # type: ignore[assignment]

Array = NDArray[np.float64]
ROUNDS, MOST_RUNS, WARM_UP_RUNS, WARM_UP_SECONDS, RESAMPLES = 20, 500, 10, 0.5, 2000
ENOUGH = 0.5  # share of the rounds that have runs which nothing interrupted


@dataclass(frozen=True, eq=False)
class Timed:
    """What one network took.

    Attributes:
        wall_ms: of every timed run, what a user waits ``[rounds, runs]``.
        busy_ms: processor time of the process meanwhile ``[rounds, runs]``.
        interrupted: whether another process took a core away meanwhile ``[rounds, runs]``.
    """

    wall_ms: Array
    busy_ms: Array
    interrupted: NDArray[np.bool_]

    @property
    def median_ms(self) -> float:
        """Wall clock, of the runs that nothing interrupted, or of all where there are none."""
        return self.percentile_ms(50)

    def percentile_ms(self, percent: float) -> float:
        """The same for any percentile."""
        clean = self.wall_ms[~self.interrupted]
        return float(np.percentile(clean if clean.size else self.wall_ms, percent))

    @property
    def disturbed(self) -> float:
        """Share of the runs that were interrupted."""
        return float(self.interrupted.mean())

    @property
    def rounds_ms(self) -> Array:
        """Median of each round's runs that nothing interrupted ``[rounds]``; NaN where there are none."""
        found = np.full(len(self.wall_ms), np.nan)
        for r, (times, bad) in enumerate(zip(self.wall_ms, self.interrupted, strict=True)):
            if not bad.all():
                found[r] = np.median(times[~bad])
        return found


@dataclass(frozen=True)
class Times:
    """How many times faster than the reference.

    Attributes:
        estimate: see the module.
        low, high: ends of its 95 % interval.
        clock: ``wall``, or ``processor`` where the machine was too busy.
    """

    estimate: float
    low: float
    high: float
    clock: str = "wall"


def interleaved(
    networks: Mapping[str, Callable[[], object]], seconds: float, rounds: int = ROUNDS, seed: int = 0
) -> dict[str, Timed]:
    """Time every network in turns.

    Args:
        networks: by name; each call runs one once.
        seconds: of timed runs for all of them together; each network has an equal part, and every round at least one run.
        rounds: blocks of each.
        seed: of the order within the first round.
    """
    names = [str(name) for name in np.random.default_rng(seed).permutation(list(networks))]
    counts = {name: _runs(networks[name], seconds / len(names) / rounds) for name in names}
    found: dict[str, list[Array]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            block(networks[name], 1)
            found[name].append(block(networks[name], counts[name]))
    stacked = {name: np.stack(found[name]) for name in networks}
    return {name: Timed(s[:, 0], s[:, 1], s[:, 2] > 0) for name, s in stacked.items()}


def block(run: Callable[[], object], timed: int) -> Array:
    """Milliseconds by the wall clock, milliseconds of processor time, and interruptions of each of ``timed`` runs ``[3, timed]``."""
    found = np.empty((3, timed))
    for i in range(timed):
        switches, busy, begun = _interruptions(), time.process_time_ns(), time.perf_counter_ns()
        run()
        ended = time.perf_counter_ns()
        found[:, i] = (ended - begun) / 1e6, (time.process_time_ns() - busy) / 1e6, _interruptions() - switches
    return found


def times_faster(network: Timed, reference: Timed, seed: int = 0) -> Times:
    """How many times faster ``network`` is than ``reference``, timed in the same rounds."""
    ratios, clock = reference.rounds_ms / network.rounds_ms, "wall"
    ratios = ratios[np.isfinite(ratios)]
    if len(ratios) < ENOUGH * len(reference.wall_ms):
        ratios, clock = np.median(reference.busy_ms, 1) / np.median(network.busy_ms, 1), "processor"
    random = np.random.default_rng(seed)
    resampled = _middle_means(random.choice(ratios, (RESAMPLES, len(ratios))))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Times(middle_mean(ratios), float(low), float(high), clock)


def _middle_means(samples: Array) -> Array:
    """Mean of the middle half of each row ``[resamples]``, as `easiedge.deploy.latency.turns.middle_mean`."""
    cut = samples.shape[1] // 4
    means: Array = np.sort(samples, 1)[:, cut : samples.shape[1] - cut].mean(1)
    return means


def _runs(run: Callable[[], object], seconds: float) -> int:
    """Warm up, and say how many runs fill ``seconds``."""
    begun = time.perf_counter()
    times = [float(block(run, 1)[0, 0])]
    while len(times) < WARM_UP_RUNS and time.perf_counter() - begun < WARM_UP_SECONDS:
        times.append(float(block(run, 1)[0, 0]))
    return max(1, min(MOST_RUNS, round(1e3 * seconds / max(min(times), 1e-6)) - 1))


def _interruptions() -> int:
    """How often a thread of this process has had to leave its core."""
    return 0 if resource is None else int(resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw)
