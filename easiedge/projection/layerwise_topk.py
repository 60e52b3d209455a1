"""Layerwise scope: every group loses the same share, the baseline that global pruning is compared with."""

from __future__ import annotations

import numpy as np

from easiedge.projection.budget import Limits
from easiedge.projection.order import Array, Bool, Order


def shares_alike(total: int, limits: Limits) -> Array:
    """Units each group loses ``[groups]`` so that ``total`` go in all, in equal shares (largest remainder).

    Groups at their floor pass the rest on to the others; with ``round_to`` the kept widths are rounded down.
    """
    sizes, room = limits.cost.sizes, limits.cost.sizes - limits.floor
    lost = np.zeros(len(sizes))
    left = float(min(total, room.sum()))
    while left > 0.5:
        free = room - lost > 0.5
        share = np.where(free, left * sizes / sizes[free].sum(), 0.0)
        whole = np.minimum(np.floor(share + 1e-9), room - lost)
        if whole.sum() < 1:
            order = np.lexsort((np.arange(len(sizes)), -(share - np.floor(share + 1e-9)), ~free))
            whole[order[: round(left)]] = np.minimum(1.0, (room - lost)[order[: round(left)]])
        lost += whole
        left -= whole.sum()
    if limits.round_to > 1:
        kept = sizes - lost
        kept = np.where(lost > 0, np.maximum(np.floor(kept / limits.round_to) * limits.round_to, limits.floor), kept)
        lost = sizes - kept
    return lost


def project_layerwise(order: Order, limits: Limits) -> Bool:
    """Choose the units that stay, ``[units]``: the smallest equal share with which every limit holds.

    Units that are gone already count towards their group's share.
    """
    sizes = limits.cost.sizes
    low, high = 0, int((sizes - limits.floor).sum())
    while low < high:  # cost falls with every unit, so bisect
        middle = (low + high) // 2
        if limits.met(sizes - shares_alike(middle, limits)):
            high = middle
        else:
            low = middle + 1
    quota = shares_alike(low, limits) - (sizes - np.add.reduceat(order.alive.astype(np.float64), order.starts[:-1]))
    while (quota > 0.5).any():
        losses = order.losses((quota > 0.5).astype(np.float64))
        group = int(np.argmin(losses))
        order.remove(group, 1)
        quota[group] -= 1
    return order.alive
