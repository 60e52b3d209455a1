"""How well a score agrees with the exact information gain: rank correlations and overlap, with bootstrap intervals.

    Spearman   rho = correlation of the ranks                     Kendall   tau_b, concordant against discordant pairs
    overlap(s) = share of the s least important units by the truth that are also among the s least important by the score

Intervals are percentiles over ``draws`` resamples of the units with replacement (Efron, 1979).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from easiedge.errors import EasiEdgeError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """Agreement of a score with the truth over some units.

    Attributes:
        spearman: rank correlation.
        kendall: tau-b.
        overlap: by share of the units; for example ``overlap[0.2]``.
        units: how many were compared.
    """

    spearman: Estimate
    kendall: Estimate
    overlap: dict[float, Estimate]
    units: int


def spearman(score: Array, truth: Array) -> float:
    """Spearman's rank correlation of ``[units]``; nan where one of them is constant or there are fewer than three units."""
    return float(_correlations(score[None], truth[None])[0])


def kendall(score: Array, truth: Array) -> float:
    """Kendall's tau-b of ``[units]``; nan where one of them is constant or there are fewer than three units."""
    if len(score) < 3 or np.ptp(score) == 0 or np.ptp(truth) == 0:
        return float("nan")
    return float(kendalltau(score, truth).statistic)


def overlap(score: Array, truth: Array, share: float) -> float:
    """Share of the truth's ``share`` least important units that the score also holds least important."""
    k = max(1, round(share * len(truth)))
    lowest = [set(np.argsort(values, kind="stable")[:k].tolist()) for values in (score, truth)]
    return len(lowest[0] & lowest[1]) / k


def agreement(
    score: Array, truth: Array, *, shares: Sequence[float] = (0.2, 0.5), draws: int = 1000, seed: int = 0
) -> Agreement:
    """Agreement of ``score`` with ``truth``, both ``[units]``, with 95 % bootstrap intervals over the units.

    Raises:
        EasiEdgeError: different lengths.
    """
    if score.shape != truth.shape:
        raise EasiEdgeError(f"{len(score)} scores cannot be compared with {len(truth)} units of the oracle")
    index = np.random.default_rng(seed).integers(0, len(truth), (draws, len(truth)))

    def bootstrapped(figure: Callable[[Array, Array], float], some: NDArray[np.int64]) -> Estimate:
        return _estimate(figure(score, truth), np.array([figure(score[i], truth[i]) for i in some]))

    ranked = _estimate(spearman(score, truth), _correlations(score[index], truth[index]))
    fewer = index[: min(draws, 200)]  # tau is slow, and its interval needs fewer draws than it has digits
    return Agreement(
        ranked, bootstrapped(kendall, fewer),
        {share: bootstrapped(lambda a, b, share=share: overlap(a, b, share), fewer) for share in shares},  # type: ignore[misc]
        len(truth),
    )  # fmt: skip


def _correlations(scores: Array, truths: Array) -> Array:
    """Spearman's correlation of each row ``[draws]``."""
    if scores.shape[1] < 3:
        return np.full(len(scores), np.nan)
    a, b = (rankdata(values, axis=1) for values in (scores, truths))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        result: Array = (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return result


def _estimate(value: float, draws: Array) -> Estimate:
    known = draws[np.isfinite(draws)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (float("nan"), float("nan"))
    return Estimate(value, float(low), float(high))


def paired_difference(a: NDArray[np.bool_], b: NDArray[np.bool_], *, draws: int = 1000, seed: int = 0) -> Estimate:
    """Difference of two accuracies, ``mean(a) - mean(b)``, on the same images ``[images]``, with its bootstrap interval.

    Resampling images means resampling how many are right in a alone, in b alone, and in both or neither: a multinomial.
    """
    n = len(a)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    chances = np.array([only_a, only_b, n - only_a - only_b]) / n
    counts = np.random.default_rng(seed).multinomial(n, chances, draws)
    return _estimate((only_a - only_b) / n, (counts[:, 0] - counts[:, 1]) / n)
