"""Widths for single scores under unequal costs: from the greedy choice and from prices, each improved by trades, the best of all."""

from __future__ import annotations

import heapq

import numpy as np

from easiedge.projection.exchange import improved
from easiedge.projection.lagrangian import by_prices
from easiedge.projection.price import price
from easiedge.projection.width_problem import WidthProblem, Widths

_NEAR = 1.02  # of a limit: choices by prices that are further over are not worth repairing


def guided_widths(problem: WidthProblem, greedy: Widths, candidates: int = 3) -> Widths:
    """The choice that loses least of ``greedy``'s and those by prices, after trades; never worse than ``greedy``.

    Args:
        problem: widths, losses and costs.
        greedy: a choice that meets every limit ``[groups]``.
        candidates: how many choices by prices are improved.
    """
    seen = {tuple(c.tolist()) for start in (greedy, problem.fullest) for c in by_prices(problem, start)}
    near = [np.array(c) for c in sorted(seen) if problem.used(np.array(c)).max() <= _NEAR]
    within = [w for c in near if (w := repaired(problem, c)) is not None]
    best = improved(problem, greedy)
    value = problem.value(best)
    for choice in heapq.nsmallest(candidates, within, key=problem.value):
        other = improved(problem, choice)
        if problem.value(other) < value:
            best, value = other, problem.value(other)
    return best if value <= problem.value(greedy) else greedy


def repaired(problem: WidthProblem, index: Widths) -> Widths | None:
    """Lower widths, least information per outstanding cost first, until every limit holds; None if they cannot get that low."""
    index = index.copy()
    kept = problem.width(index)
    while not problem.limits.met(kept):
        lower = np.maximum(index - 1, 0)
        steps = kept - problem.width(lower)
        losses = np.array([v[j] - v[i] for v, i, j in zip(problem.lost, index, lower, strict=True)])
        prices = price(problem.limits, kept, steps, losses)
        g = int(np.argmin(prices))
        if not np.isfinite(prices[g]):
            return None
        index[g] -= 1
        kept[g] -= steps[g]
    return index
