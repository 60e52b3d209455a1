"""A limit in milliseconds that holds as measured, not only as predicted.

A table predicts within some per cent.  The chosen network is therefore measured, and where it misses its limit the last choice is made
again with the limit scaled by what was off, ``limit * predicted / measured``, and so on: the ratio of measured to predicted changes little
between neighbouring choices.  Where milliseconds go in steps the same choice may come out again; one that was too slow is then stepped
below, and above one that was fast enough nothing is left to win.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from easiedge.errors import BudgetError
from easiedge.model.filter_groups import analyse
from easiedge.model.graph import two_images
from easiedge.projection.limits import Limits
from easiedge.surgery.shrink import cut
from easiedge.unit import FilterGroup, FilterMask

Clock = Callable[[nn.Module], float]
TOLERANCE, ROUNDS = 0.03, 6
_BELOW = 1e-6
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
    tried: list[tuple[float, FilterMask]] = []
    for attempt in range(ROUNDS):
        ms, predicted = measured(mask), predicted_ms(mask, goal)
        tried.append((ms, mask))
        _log.info("measured %.4g ms of at most %.4g (predicted %.4g)", ms, limit, predicted)
        if abs(ms / limit - 1) <= TOLERANCE or attempt == ROUNDS - 1:
            break
        if ms <= limit and not any((~keep).any() for keep in mask.keep.values()):
            break  # nothing has gone
        other = _other(mask, goal, within, predicted * limit / ms)
        if other is None and ms > limit:
            other = _other(mask, goal, within, predicted * (1 - _BELOW))
        if other is None:
            break
        mask = other
    good = [(ms, m) for ms, m in tried if ms <= limit * (1 + TOLERANCE)]
    if good:
        return max(good, key=lambda pair: pair[0])[1]
    _log.warning(
        "the network was measured above its limit of %.4g ms in every attempt: the fastest choice stays", limit
    )
    return min(tried, key=lambda pair: pair[0])[1]


def measuring(
    network: nn.Module, groups: Sequence[FilterGroup], example_inputs: Tensor | tuple[Tensor, ...], clock: Clock
) -> Callable[[FilterMask], float]:
    """What ``clock`` says of ``network`` without the units that a mask over ``groups`` removes."""
    images = two_images(network, example_inputs)
    walk = analyse(network, images)[0]
    return lambda mask: clock(cut(walk, groups, mask, images))


def predicted_ms(mask: FilterMask, goal: Limits) -> float:
    """Milliseconds of a choice by the table."""
    assert goal.cost.latency is not None
    return float(goal.cost.latency.total(np.array([float(mask.keep[name].sum()) for name in goal.cost.names])))


def _other(mask: FilterMask, goal: Limits, within: Callable[[Limits], FilterMask], aim: float) -> FilterMask | None:
    """The choice for ``aim`` milliseconds; None where there is none, or the same."""
    most = goal.most.copy()
    most[-1] = aim
    try:
        found = within(replace(goal, most=most))
    except BudgetError:
        return None
    same = all(bool((found.keep[name] == keep).all()) for name, keep in mask.keep.items())
    return None if same else found
