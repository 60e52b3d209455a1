r"""Means, paired differences and their tests over seeds.

Two settings run with the same seed share dense weights, splits and batch order, so that they are compared seed by seed:

.. math:: d_s = a_s - b_s,\qquad \bar d \pm t_{n-1,\,(1+c)/2}\; s_d / \sqrt n

The interval and the paired t-test assume that the differences are independent and normal; Wilcoxon's signed-rank test assumes only
that they are symmetric about their median, and cannot fall below :math:`2^{1-n}` (0.06 for five seeds, 0.002 for ten).
Holm's correction (Scandinavian Journal of Statistics 6, 1979) bounds the chance of any false claim among many.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

CONFIDENCE = 0.95
ALIKE = 1e-6  # accuracies of one dense network
SAME = 1e-12  # of rounding: accuracies are ratios of whole numbers
SINGLE = "one seed gives no spread: run more seeds for an interval"
ASSUMPTIONS = (
    "Differences are taken seed by seed, and seeds are independent of one another. Interval and t-test assume normal differences; Wilcoxon's test only symmetric ones, "
    "and with n seeds its p is never below 2^(1-n). p-values are Holm-corrected over all comparisons of the table."
)


@dataclass(frozen=True)
class Spread:
    """Mean of ``n`` values.

    Attributes:
        n: number of values.
        mean: their mean; NaN without any.
        deviation: standard deviation (n - 1 in the denominator); None for fewer than two.
        low: of the interval of the mean; None for fewer than two, or where all are equal.
        high: of it.
    """

    n: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None

    @property
    def half(self) -> float | None:
        """Half of the interval's width; None where there is no interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class PairedDifference:
    """How much larger one setting is than another, over the seeds they share.

    Attributes:
        seeds: those that both have.
        spread: of the differences.
        t_p: p-value of the paired t-test, two-sided; None where it says nothing.
        wilcoxon_p: of Wilcoxon's signed-rank test.
        why_not: why there is no test; empty where there is one.
    """

    seeds: tuple[int, ...]
    spread: Spread
    t_p: float | None
    wilcoxon_p: float | None
    why_not: str


def spread(values: Sequence[float], confidence: float = CONFIDENCE) -> Spread:
    """Mean, standard deviation and t-interval of the mean; values that are not finite are refused.

    Raises:
        ValueError: a value is not finite, or the confidence is outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not in (0, 1)")
    x = np.asarray(values, dtype=np.float64)
    if not np.isfinite(x).all():
        raise ValueError("values that are not finite have no mean")
    if len(x) < 2:
        return Spread(len(x), float(x.mean()) if len(x) else math.nan, None, None, None)
    if np.ptp(x) <= SAME:  # an interval of no width would claim what equal values do not show
        return Spread(len(x), float(x.mean()), 0.0, None, None)
    mean, deviation = float(x.mean()), float(x.std(ddof=1))
    half = float(special.stdtrit(len(x) - 1, (1 + confidence) / 2)) * deviation / math.sqrt(len(x))
    return Spread(len(x), mean, deviation, mean - half, mean + half)


def paired(a: Mapping[int, float], b: Mapping[int, float], confidence: float = CONFIDENCE) -> PairedDifference:
    """``a - b`` over the seeds in both.

    Args:
        a: value by seed.
        b: value by seed.
        confidence: of the interval.
    """
    seeds = tuple(sorted(a.keys() & b.keys()))
    differences = np.array([a[seed] - b[seed] for seed in seeds])
    found = spread(differences.tolist(), confidence)
    if len(seeds) < 2:
        return PairedDifference(seeds, found, None, None, SINGLE if seeds else "no seed is in both")
    if np.ptp(differences) <= SAME:
        same = "equal for every seed" if abs(found.mean) <= 1e-12 else "the same difference for every seed"
        return PairedDifference(
            seeds, found, None, _wilcoxon(differences), f"{same}: a t-test has no spread to judge by"
        )
    n = len(seeds)
    t = found.mean / (float(differences.std(ddof=1)) / math.sqrt(n))
    return PairedDifference(seeds, found, 2 * float(special.stdtr(n - 1, -abs(t))), _wilcoxon(differences), "")


def seeds_apart(networks: Iterable[tuple[int, Sequence[float]]]) -> list[int]:
    """Seeds whose runs did not all start from the same dense network, by (seed, figures of the network), in order.

    Figures of one network agree up to ``ALIKE``, on other machines of a cluster perhaps.
    """
    by_seed: dict[int, list[Sequence[float]]] = {}
    for seed, figures in networks:
        by_seed.setdefault(seed, []).append(figures)
    return sorted(s for s, found in by_seed.items() if any(max(f) - min(f) > ALIKE for f in zip(*found, strict=True)))


def _wilcoxon(differences: np.ndarray) -> float | None:
    """Two-sided signed-rank p; exact up to 50 differences without ties or zeros, else by permuting signs or the normal limit."""
    differences = np.where(np.abs(differences) <= 1e-12, 0.0, np.round(differences, 12))
    if not differences.any():
        return None
    left = differences[differences != 0]  # Wilcoxon's own treatment of zeros
    sizes = np.abs(left)
    if len(left) <= 13:  # every sign pattern, at most 8,192: exact with ties too
        places, counts = np.unique(sizes, return_inverse=True, return_counts=True)[1:]
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # ties share the mean of theirs
        signs = (np.arange(2 ** len(left))[:, None] >> np.arange(len(left))) & 1
        sums = signs @ ranks
        centre = ranks.sum() / 2
        far = abs(ranks[left > 0].sum() - centre)
        return float(np.mean(np.abs(sums - centre) >= far - 1e-9))
    from scipy import stats  # takes most of a second to load

    method = "exact" if len(left) <= 50 and len(np.unique(sizes)) == len(sizes) else "asymptotic"
    return float(stats.wilcoxon(left, method=method).pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    r"""Holm's step-down correction, in the order given; None, no test, stays None and counts as p = 1, so that m is known beforehand.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min\bigl(1, (m - j + 1)\, p_{(j)}\bigr)
    """
    order = sorted((i for i, p in enumerate(p_values) if p is not None), key=lambda i: p_values[i] or 0.0)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * float(p_values[i] or 0.0)))
        corrected[i] = highest
    return corrected
