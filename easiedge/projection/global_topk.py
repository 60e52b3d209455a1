"""Global scope: the units of all layers compete for one budget."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from easiedge.projection.budget import Limits
from easiedge.projection.guided import guided_widths
from easiedge.projection.order import Array, Bool, Order, SingleScores
from easiedge.projection.price import price
from easiedge.projection.width_problem import best_units, width_problem

Step = tuple[int, NDArray[np.int64]]  # a group and the units that left it together


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
    history: list[Step] = []
    while not limits.met(kept):
        steps = limits.step(kept)
        prices = price(limits, kept, steps, order.losses(steps))
        group = int(np.argmin(prices))
        if not np.isfinite(prices[group]):
            break
        history.append((group, order.remove(group, int(steps[group]))))
        kept[group] -= steps[group]
    if not limits.units_only:
        _put_back(order, limits, kept, history)
    return order.alive


def _put_back(order: Order, limits: Limits, kept: Array, history: list[Step]) -> None:
    """Take whole steps back, the last of each group first, so that widths stay multiples of ``round_to``."""
    closed: set[int] = set()
    for group, units in reversed(history):
        if group in closed:
            continue
        kept[group] += len(units)
        if limits.met(kept):
            for unit in units[::-1]:
                order.restore(int(unit), group)
        else:
            kept[group] -= len(units)
            closed.add(group)


def best_widths(order: SingleScores, limits: Limits) -> Bool:
    """The better of the greedy choice and the one guided by prices and trades, ``[units]`` (equal: the greedy one)."""
    alive = cheapest_first(order, limits)
    problem = width_problem(order.values, order.starts, limits)
    greedy = problem.index(np.add.reduceat(alive.astype(np.float64), order.starts[:-1]))
    if not problem.met(greedy):
        return alive
    guided = guided_widths(problem, greedy)
    if not problem.value(guided) < problem.value(greedy):
        return alive
    return best_units(order.values, order.starts, problem.width(guided))


def project_globally(order: Order, limits: Limits) -> Bool:
    """Choose the units that stay, ``[units]``."""
    if not isinstance(order, SingleScores):
        return cheapest_first(order, limits)
    if limits.units_only:
        return lowest_scores(order.values, order.starts, limits)
    return best_widths(order, limits)
