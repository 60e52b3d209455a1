"""The joint greedy choice again, paid only by the limits that bind in the first, if the form says that it loses less.

What a step pays towards a limit that is met anyway is worth nothing; which these are is known after the first choice.  Not part of the
package: it makes the form's value lower, and the measured information gain on other images no lower (README.md).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from easiedge.projection.global_topk import cheapest_first
from easiedge.projection.joint_greedy import JointOrder, joint_gain
from easiedge.projection.limits import Limits
from easiedge.projection.order import Array, Bool
from easiedge.projection.price import price


def better_joint(order: JointOrder, limits: Limits) -> Bool:
    """The better by the joint form of the two choices, ``[units]``."""
    alive = cheapest_first(order, limits)
    tightest = binding(limits, widths(order))
    if tightest is None:
        return alive
    again = JointOrder(order.interaction, order.starts)
    history, kept = [], widths(again)
    while not limits.met(kept):
        steps = limits.step(kept)
        prices = price(limits if tightest.met(kept) else tightest, kept, steps, again.losses(steps))
        group = int(np.argmin(prices))
        history += [(int(unit), group) for unit in again.remove(group, int(steps[group]))]
        kept[group] -= steps[group]
    for unit, group in reversed(history if limits.round_to == 1 else []):
        kept[group] += 1
        if limits.met(kept):
            again.restore(unit, group)
        else:
            kept[group] -= 1
    gains = [joint_gain(order.interaction, torch.from_numpy(~a)) for a in (alive, again.alive)]
    return again.alive if gains[1] < gains[0] else alive


def widths(order: JointOrder) -> Array:
    """Units that each group has left ``[groups]``."""
    result: Array = np.add.reduceat(order.alive.astype(np.float64), order.starts[:-1])
    return result


def binding(limits: Limits, kept: Array, slack: float = 0.01) -> Limits | None:
    """Only the limits that ``kept`` uses as far as the tightest, to a share of ``slack``; None if these are all."""
    asked = np.isfinite(limits.most)
    used = np.where(asked, limits.cost.totals(kept) / np.maximum(limits.most, 1.0), -np.inf)
    binds = used >= used.max() - slack
    return None if (binds == asked).all() else replace(limits, most=np.where(binds, limits.most, np.inf))
