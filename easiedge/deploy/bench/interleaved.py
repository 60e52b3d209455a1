"""Networks timed in turns, so that what disturbs one disturbs the others: medians, percentiles, and a ratio with an interval.

A round times a block of each network, in one order and in the next round in the other.  With ``m_r`` the median of a network's block
in round ``r`` and ``d_r`` that of the reference,

    times = mean_r (d_r / m_r),        the mean over the middle half of the rounds,

which slow drift of the machine leaves alone; its interval is the bootstrap's over the rounds.  The clock is the wall's: what a user
waits, with everything that the engine does in other threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from easiedge.deploy.latency.turns import block, middle_mean

Array = NDArray[np.float64]
ROUNDS, MOST_RUNS, WARM_UP_RUNS, WARM_UP_SECONDS, RESAMPLES = 20, 500, 10, 0.5, 2000


@dataclass(frozen=True, eq=False)
class Timed:
    """What one network took.

    Attributes:
        runs_ms: wall clock of every timed run ``[rounds, runs]``.
    """

    runs_ms: Array

    @property
    def median_ms(self) -> float:
        """Of all runs."""
        return float(np.median(self.runs_ms))

    def percentile_ms(self, percent: float) -> float:
        """Of all runs."""
        return float(np.percentile(self.runs_ms, percent))

    @property
    def drift(self) -> float:
        """How far the machine moved: interquartile range of the rounds' medians, as a share of their median."""
        low, middle, high = np.percentile(np.median(self.runs_ms, 1), [25, 50, 75])
        return float((high - low) / middle)


@dataclass(frozen=True)
class Times:
    """How many times faster than the reference: the estimate and its 95 % interval."""

    estimate: float
    low: float
    high: float


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
            found[name].append(block(networks[name], 1, counts[name]))
    return {name: Timed(np.stack(found[name])) for name in networks}


def times_faster(network: Timed, reference: Timed, seed: int = 0) -> Times:
    """How many times faster ``network`` is than ``reference``, timed in the same rounds."""
    ratios = np.median(reference.runs_ms, 1) / np.median(network.runs_ms, 1)
    random = np.random.default_rng(seed)
    resampled = _middle_means(random.choice(ratios, (RESAMPLES, len(ratios))))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Times(middle_mean(ratios), float(low), float(high))


def _middle_means(samples: Array) -> Array:
    """Mean of the middle half of each row ``[resamples]``, as `easiedge.deploy.latency.turns.middle_mean`."""
    cut = samples.shape[1] // 4
    means: Array = np.sort(samples, 1)[:, cut : samples.shape[1] - cut].mean(1)
    return means


def _runs(run: Callable[[], object], seconds: float) -> int:
    """Warm up, and say how many runs fill ``seconds``."""
    begun = time.perf_counter()
    times = [float(block(run, 0, 1)[0])]
    while len(times) < WARM_UP_RUNS and time.perf_counter() - begun < WARM_UP_SECONDS:
        times.append(float(block(run, 0, 1)[0]))
    return max(1, min(MOST_RUNS, round(1e3 * seconds / max(min(times), 1e-6)) - 1))
