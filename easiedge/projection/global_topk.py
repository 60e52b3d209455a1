"""Global scope: the units of all layers compete for one budget."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from easiedge.projection.budget import Limits
from easiedge.projection.order import Array, Bool, Order, SingleScores


def lowest_scores(values: Array, starts: NDArray[np.int64], limits: Limits) -> Bool:
    """Exact choice for a limit on the number of units alone: the lowest scores go, floors protect the best of each group.

    Returns:
        alive ``[units]``; among equal scores the first go.
    """
    group_of = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    best_first = np.lexsort((-np.arange(len(values)), -values, group_of))
    rank = np.empty(len(values), dtype=np.int64)
    rank[best_first] = np.arange(len(values)) - starts[group_of[best_first]]
    free = np.flatnonzero(rank >= limits.floor[group_of])
    go = len(values) - int(limits.most[0])
    alive = np.ones(len(values), dtype=bool)
    alive[free[np.argsort(values[free], kind="stable")[: max(go, 0)]]] = False
    return alive


def cheapest_first(order: Order, limits: Limits) -> Bool:
    """Remove, again and again, the step that loses least information per cost, until every limit holds.

    Costs are recounted after each step.  With several limits the cost of a step is the share of the outstanding
    quantities it pays, summed.  At the end units are put back, last ones first, where the limits allow it.
    """
    starts = order.starts
    kept = np.add.reduceat(order.alive.astype(np.float64), starts[:-1])
    history: list[tuple[int, int]] = []
    while (unmet := limits.unmet(kept)).any():
        steps = limits.step(kept)
        losses = order.losses(steps)
        paid = _paid(limits, kept, steps, unmet)
        with np.errstate(divide="ignore", invalid="ignore"):
            price = np.where(losses > 0, losses / paid, losses * paid)
        price[(steps == 0) | (paid <= 0)] = np.inf
        group = int(np.argmin(price))
        if not np.isfinite(price[group]):
            break
        history += [(int(unit), group) for unit in order.remove(group, int(steps[group]))]
        kept[group] -= steps[group]
    if limits.round_to == 1 and not limits.units_only:
        _put_back(order, limits, kept, history)
    return order.alive


def _paid(limits: Limits, kept: Array, steps: Array, unmet: Array) -> Array:
    """Share of what must still go that each group's step pays ``[groups]``."""
    saved = limits.cost.marginal(kept, steps)
    wanted = unmet > 0
    result: Array = np.minimum(saved[wanted] / unmet[wanted, None], 1.0).sum(0)
    return result


def _put_back(order: Order, limits: Limits, kept: Array, history: list[tuple[int, int]]) -> None:
    for unit, group in reversed(history):
        kept[group] += 1
        if limits.met(kept):
            order.restore(unit, group)
        else:
            kept[group] -= 1


def project_globally(order: Order, limits: Limits) -> Bool:
    """Choose the units that stay, ``[units]``."""
    if limits.units_only and isinstance(order, SingleScores):
        return lowest_scores(order.values, order.starts, limits)
    return cheapest_first(order, limits)
