"""Layerwise scope: every group loses the same share, the baseline that global pruning is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from easiedge.errors import BudgetError
from easiedge.projection.limits import Limits
from easiedge.projection.order import Array, Bool, Order

_BATCH = 64  # choices whose milliseconds are predicted together


def shares_alike(total: int, limits: Limits) -> Array:
    """Units each group loses ``[groups]`` so that ``total`` go in all, in equal shares.

    The ``j``-th unit of a group of ``n`` goes in the order of ``(j - 1/2) / n`` (Webster's divisor method): no group gets units back as
    ``total`` rises.  Groups at their floor pass the rest on to the others; with ``round_to`` the kept widths are rounded down.
    """
    return _shares(limits, _order(limits), total)


def _order(limits: Limits) -> NDArray[np.int64]:
    """The group that loses the next unit ``[units that may go]``."""
    sizes, room = limits.cost.sizes, (limits.cost.sizes - limits.floor).astype(np.int64)
    group = np.repeat(np.arange(len(sizes)), room)
    rank = np.concatenate([np.arange(1, r + 1) for r in room]) if len(room) else np.zeros(0)
    ordered: NDArray[np.int64] = group[np.lexsort((group, (rank - 0.5) / sizes[group]))]
    return ordered


def _shares(limits: Limits, order: NDArray[np.int64], total: int) -> Array:
    sizes = limits.cost.sizes
    lost = np.bincount(order[: max(total, 0)], minlength=len(sizes)).astype(np.float64)
    if limits.round_to > 1:
        kept = sizes - lost
        kept = np.where(lost > 0, np.maximum(np.floor(kept / limits.round_to) * limits.round_to, limits.floor), kept)
        lost = sizes - kept
    return lost


def _fewest(limits: Limits, order: NDArray[np.int64]) -> int:
    """Fewest units that have to go.

    All costs but milliseconds fall with every unit, so the number is bisected; from there on the first one that holds the
    milliseconds too is looked for.
    """
    sizes, most, last = limits.cost.sizes, limits.most.copy(), len(order)
    if limits.has_latency:
        most[-1] = np.inf
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        if (limits.cost.totals(sizes - _shares(limits, order, middle)) <= most).all():
            high = middle
        else:
            low = middle + 1
    if not limits.has_latency:
        return low
    assert limits.cost.latency is not None
    for first in range(low, last + 1, _BATCH):
        kept = np.stack([sizes - _shares(limits, order, t) for t in range(first, min(first + _BATCH, last + 1))])
        fits = np.flatnonzero(limits.cost.latency.total(kept) <= limits.most[-1])
        if len(fits):
            return first + int(fits[0])
    raise BudgetError(
        f"no equal share of every group brings the network down to {limits.most[-1]:.4g} ms: raise budget.latency_ms_max, lower the "
        "floors, or use projection=global"
    )


def project_layerwise(order: Order, limits: Limits) -> Bool:
    """Choose the units that stay, ``[units]``: the smallest equal share with which every limit holds.

    Units that are gone already count towards their group's share.  Where costs differ, a group's last unit comes back if it fits.
    """
    sizes = limits.cost.sizes
    ordered = _order(limits)
    quota = _shares(limits, ordered, _fewest(limits, ordered)) - (
        sizes - np.add.reduceat(order.alive.astype(np.float64), order.starts[:-1])
    )
    last: dict[int, int] = {}  # unit that each group lost last, in the order of these losses
    while (quota > 0.5).any():
        losses = order.losses((quota > 0.5).astype(np.float64))
        group = int(np.argmin(losses))
        (unit,) = order.remove(group, 1)
        last.pop(group, None)
        last[group] = int(unit)
        quota[group] -= 1
    if limits.round_to == 1 and not limits.units_only:
        kept = np.add.reduceat(order.alive.astype(np.float64), order.starts[:-1])
        for group, unit in reversed(last.items()):
            kept[group] += 1
            if limits.met(kept):
                order.restore(unit, group)
            else:
                kept[group] -= 1
    return order.alive
