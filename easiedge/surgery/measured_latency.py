"""A limit in milliseconds that holds as measured, not only as predicted.

A table predicts within some per cent.  The chosen network is therefore measured, and where it misses its limit the last choice is made
again with the limit scaled by what was off: ``limit * (limit / measured)``, and so on (secant steps; the ratio of measured to predicted
changes little between neighbouring choices).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from torch import nn

from easiedge.errors import BudgetError
from easiedge.projection.limits import Limits
from easiedge.unit import FilterMask

Clock = Callable[[nn.Module], float]
TOLERANCE, ROUNDS = 0.03, 5
_log = logging.getLogger(__name__)


def held(
    mask: FilterMask, goal: Limits, within: Callable[[Limits], FilterMask], measured: Callable[[FilterMask], float]
) -> FilterMask:
    """The choice whose measured milliseconds come nearest to the limit without being more than `TOLERANCE` above it.

    Args:
        mask: a choice that holds the limit as predicted.
        goal: the limits, milliseconds among them.
        within: the choice for other limits.
        measured: milliseconds of a choice.
    """
    limit = float(goal.most[-1])
    aim, best, best_ms, fastest, fastest_ms = limit, None, 0.0, mask, float("inf")
    for attempt in range(ROUNDS):
        ms = measured(mask)
        _log.info("measured %.4g ms of at most %.4g (predicted to be within %.4g)", ms, limit, aim)
        if ms <= limit * (1 + TOLERANCE) and ms > best_ms:
            best, best_ms = mask, ms
        if ms < fastest_ms:
            fastest, fastest_ms = mask, ms
        if limit * (1 - TOLERANCE) <= ms <= limit * (1 + TOLERANCE) or attempt == ROUNDS - 1:
            break
        aim *= limit / ms
        most = goal.most.copy()
        most[-1] = aim
        try:
            other = within(replace(goal, most=most))
        except BudgetError:
            break
        if all(bool((other.keep[name] == keep).all()) for name, keep in mask.keep.items()):
            break  # nothing lies in between
        mask = other
    if best is None:
        _log.warning(
            "the network was measured above its limit of %.4g ms in every attempt: the fastest choice stays", limit
        )
        return fastest
    return best
