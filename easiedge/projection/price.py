"""What a step costs in information for the share of the outstanding budget that it pays, or the step's rank by its scores alone."""

from __future__ import annotations

import numpy as np

from easiedge.projection.limits import Limits
from easiedge.projection.order import Array


def price(
    limits: Limits, kept: Array, steps: Array, losses: Array, unmet: Array | None = None, power: float = 1.0
) -> Array:
    """Information per share paid, ``losses / paid^r`` ``[groups]``, the least of which goes next; infinity for groups that cannot go on or pay nothing.

    A step pays ``sum_q min(saved_q / unmet_q, 1)`` over the quantities that are over their limit.  Steps that lose nothing, or less, go
    first: those that pay most.

    Args:
        limits: the budgets.
        kept: units that each group keeps ``[groups]``.
        steps: units of each group's next step ``[groups]``; 0 where there is none.
        losses: information lost with it ``[groups]``.
        unmet: ``limits.unmet(kept)``, if it is at hand.
        power: ``r`` of `easiedge.projection.ranking`; 0 for scores that only rank: their mean over the units of a step, whatever the step pays.
    """
    if unmet is None:
        unmet = limits.unmet(kept)
    wanted = unmet > 0
    saved = limits.cost.marginal(kept, steps)
    paid = np.minimum(saved[wanted] / unmet[wanted, None], 1.0).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = np.where(losses > 0, losses / paid**power, losses * paid) if power else losses / steps
    result[(steps == 0) | (paid <= 0)] = np.inf
    return result
