"""Global scope: the units of all layers compete for one budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from easiedge.errors import BudgetError
from easiedge.projection.exchange import widened
from easiedge.projection.guided import guided_widths
from easiedge.projection.limits import Limits
from easiedge.projection.order import Array, Bool, Order, SingleScores
from easiedge.projection.price import price
from easiedge.projection.put_back import Step, put_back
from easiedge.projection.width_problem import best_units, width_problem


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
    """Remove, again and again, the step that loses least information per cost to the order's power (or has the lowest score), until every limit holds.

    Costs are recounted after each step.  With several limits the cost of a step is the share of the outstanding
    quantities it pays, summed.  At the end units are put back, last ones first, where the limits allow it.

    Raises:
        BudgetError: milliseconds do not fall any further, with any step of any group.
    """
    starts = order.starts
    kept = np.add.reduceat(order.alive.astype(np.float64), starts[:-1])
    history: list[Step] = []
    while (unmet := limits.unmet(kept)).any():
        group, count = _cheapest(order, limits, kept, unmet, limits.steps(kept))
        if count == 0 and limits.has_latency:
            group, count = _cheapest(order, limits, kept, unmet, [kept - limits.floor])
        if count == 0:
            raise BudgetError(_stuck(limits, kept))
        history.append((group, order.remove(group, count)))
        kept[group] -= count
    if not limits.units_only:
        for group, unit in put_back(limits, kept, history):
            order.restore(unit, group)
    return order.alive


def _cheapest(order: Order, limits: Limits, kept: Array, unmet: Array, candidates: Sequence[Array]) -> tuple[int, int]:
    """The group and the number of units with the lowest price; 0 units where no step pays anything."""
    lowest, group, count = np.inf, -1, 0
    for steps in candidates:
        prices = price(limits, kept, steps, order.losses(steps), unmet, order.power)
        g = int(np.argmin(prices))
        if prices[g] < lowest:
            lowest, group, count = float(prices[g]), g, int(steps[g])
    return group, count


def _stuck(limits: Limits, kept: Array) -> str:
    now, asked = limits.cost.totals(kept), np.isfinite(limits.most)
    over = [
        f"{name} {value:.4g} of at most {most:.4g}"
        for name, value, most in zip(limits.cost.quantities, now, limits.most, strict=True)
        if value > most
    ]
    why = (
        ": the device's milliseconds rise and fall with the widths, so raise budget.latency_ms_max or lower the floors"
    )
    return (
        f"no step of any group brings the network nearer to its {int(asked.sum())} limits; it came down to {', '.join(dict.fromkeys(over))}"
        + (why if limits.has_latency else ": lower the floors")
    )


def best_widths(order: SingleScores, limits: Limits) -> Bool:
    """The better of the greedy choice and the one guided by prices and trades, ``[units]`` (equal: the greedy one)."""
    alive = cheapest_first(order, limits)
    kept = np.add.reduceat(alive.astype(np.float64), order.starts[:-1])
    problem = width_problem(order.values, order.starts, limits, kept)
    greedy = problem.index(kept)
    guided = guided_widths(problem, greedy)
    if not problem.value(guided) < problem.value(greedy):
        return alive
    every = width_problem(order.values, order.starts, limits, grain=len(order.values))
    widths = every.width(widened(every, every.index(problem.width(guided))))
    return best_units(order.values, order.starts, widths)


def project_globally(order: Order, limits: Limits) -> Bool:
    """Choose the units that stay, ``[units]``."""
    if not isinstance(order, SingleScores):
        return cheapest_first(order, limits)
    if limits.units_only:
        return lowest_scores(order.values, order.starts, limits)
    if order.power != 1.0 or limits.met(np.diff(order.starts).astype(np.float64)):
        return cheapest_first(order, limits)
    return best_widths(order, limits)
