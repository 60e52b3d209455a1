"""Local search on the joint form after the greedy choice: a unit that is gone comes back and one that stays goes instead.

With S gone, ``increase`` of a unit u in S is what its return wins, that of a unit v that stays what its removal loses, and

    IG(S - u + v) - IG(S) = increase_v - F_uv - increase_u

Two units of one group cost the same; units of different groups are swapped where every limit still holds.  One column of F is computed
for each unit that is gone and each swap: ``O(gone * units)`` a round with F stored.  Not part of the package: it makes the form's value
lower, and the measured information gain on other images no lower (README.md).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from easiedge.projection.joint_greedy import JointOrder
from easiedge.projection.limits import Limits
from easiedge.projection.order import Array, Bool

BLOCK = 256  # columns computed together
_BETTER = 1e-9  # least gain of a swap, as a share of the largest increase: no swapping to and fro over rounding


def swap_units(order: JointOrder, limits: Limits, rounds: int = 10) -> Bool:
    """Swap units while that loses less information, then put back those that the limits now allow; ``order`` moves along.

    Returns:
        alive ``[units]``; the form's value is never higher than before.
    """
    group_of = np.repeat(np.arange(len(order.starts) - 1), np.diff(order.starts))
    kept = np.add.reduceat(order.alive.astype(np.float64), order.starts[:-1])
    least = _BETTER * float(np.abs(order.increase).max(initial=0.0))
    for _ in range(rounds):
        if not _round(order, limits, group_of, kept, least):
            break
    if limits.round_to == 1 and not limits.units_only:
        _put_back(order, limits, group_of, kept)
    return order.alive


def _round(order: JointOrder, limits: Limits, group_of: NDArray[np.int64], kept: Array, least: float) -> int:
    """Try every unit that is gone once, those that win most first; returns the number of swaps."""
    gone = np.flatnonzero(~order.alive)
    gone = gone[np.argsort(-order.increase[gone], kind="stable")]
    swaps = 0
    partners: dict[int, Bool] = {}
    for at in range(0, len(gone), BLOCK):
        block = gone[at : at + BLOCK]
        columns = order.interaction.columns(torch.from_numpy(block)).cpu().numpy()
        for u, column in zip(block.tolist(), columns, strict=True):
            g = int(group_of[u])
            if g not in partners:
                partners[g] = _partners(limits, kept, g)[group_of]
            change = np.where(partners[g] & order.alive, order.increase - column, np.inf)
            v = int(np.argmin(change))
            if change[v] < order.increase[u] - least:
                _exchange(order, u, v, column)
                swaps += 1
                h = int(group_of[v])
                if g != h:
                    kept[g] += 1
                    kept[h] -= 1
                    partners = {}
    return swaps


def _exchange(order: JointOrder, back: int, gone: int, column: NDArray[np.float32]) -> None:
    """Put ``back`` back, whose ``column`` of F is given ``[units]``, and remove ``gone`` instead."""
    own_back, own_gone = order.increase[back], order.increase[gone] - column[gone]
    other = order.interaction.columns(torch.tensor([gone])).cpu().numpy()[0]
    order.increase += other
    order.increase -= column
    order.increase[back], order.increase[gone] = own_back + other[back], own_gone
    order.alive[back], order.alive[gone] = True, False
    order._open[:] = np.where(order.alive, order.increase, np.inf)


def _partners(limits: Limits, kept: Array, group: int) -> Bool:
    """Groups that may lose one unit when ``group`` gets one back ``[groups]``: itself, and those with which every limit holds."""
    result: Bool
    if limits.round_to > 1:
        result = np.zeros(len(kept), dtype=bool)
    else:
        more = kept.copy()
        more[group] += 1
        after = limits.cost.totals(more)[:, None] - limits.cost.marginal(more)
        result = (after <= limits.most[:, None]).all(0) & (kept > limits.floor)
    result[group] = True
    return result


def _put_back(order: JointOrder, limits: Limits, group_of: NDArray[np.int64], kept: Array) -> None:
    """Put single units back where every limit holds, those that win most first, until no group has room for another."""
    closed = np.zeros(len(kept), dtype=bool)
    while (open_units := ~order.alive & ~closed[group_of]).any():
        u = int(np.argmax(np.where(open_units, order.increase, -np.inf)))
        g = int(group_of[u])
        kept[g] += 1
        if limits.met(kept):
            order.restore(u, g)
        else:
            kept[g] -= 1
            closed[g] = True
