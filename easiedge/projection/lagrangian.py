"""Widths by Lagrange's multipliers: a price for every limited quantity, and each group's best width at these prices.

    minimise over n   sum_g L_g(n_g) + sum_q price_q cost_q(n)

With the other groups fixed this is a quadratic in one width plus its loss, so the best width is found by going through them; the groups
take turns until none moves (costs couple: this is a local minimum).  Prices rise while their limit is missed and fall while it is slack.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from easiedge.projection.order import Array
from easiedge.projection.width_problem import WidthProblem, Widths


def priced(problem: WidthProblem, index: Widths, prices: Array, sweeps: int = 20) -> Widths:
    """A choice from which no group alone would move at ``prices`` ``[limited]``, reached from ``index`` (or after ``sweeps`` rounds)."""
    index, kept = index.copy(), problem.width(index)
    polynomial = prices[: len(problem.constant)]
    linear, quadratic = polynomial @ problem.linear, np.tensordot(polynomial, problem.quadratic, 1)
    for _ in range(sweeps):
        moved = False
        for g, widths in enumerate(problem.widths):
            slope = linear[g] + quadratic[g] @ kept - quadratic[g, g] * kept[g]
            total = problem.lost[g] + slope * widths + 0.5 * quadratic[g, g] * widths**2
            if problem.latency is not None:
                total = total + prices[-1] * problem.latency.along(kept, g, widths)
            best = int(np.argmin(total))
            if best != index[g]:
                index[g], kept[g], moved = best, widths[best], True
        if not moved:
            break
    return index


def by_prices(problem: WidthProblem, start: Widths, rounds: int = 60) -> Iterator[Widths]:
    """Choices at prices that approach those of the limits, from within and from outside of them.

    Prices are moved by the logarithm of how far each quantity is from its limit, with steps that shrink as ``1 / sqrt(round)``.
    """
    prices, index = _first_prices(problem, start), start
    step = 2.0
    for r in range(rounds):
        index = priced(problem, index, prices)
        yield index
        prices = prices * np.maximum(problem.used(index), 1e-6) ** (step / np.sqrt(r + 1.0))


def _first_prices(problem: WidthProblem, index: Widths) -> Array:
    """Prices ``[limited]`` at which the choice ``index`` is about even: median information per cost of its next steps, shared alike."""
    kept = problem.width(index)
    rates = []
    for g, (widths, lost) in enumerate(zip(problem.widths, problem.lost, strict=True)):
        if index[g] > 0:
            i = int(index[g])
            paid = float(problem.slope(kept, g).sum() * (widths[i] - widths[i - 1]))
            if problem.latency is not None:
                narrow, wide = problem.latency.along(kept, g, widths[[0, i]])
                paid += float(wide - narrow) * (widths[i] - widths[i - 1]) / (widths[i] - widths[0])
            if paid > 0:
                rates.append((lost[i - 1] - lost[i]) / paid)
    rate = float(np.median(rates)) if rates else 1.0
    return np.full(len(problem.used(index)), max(rate, 1e-300))
