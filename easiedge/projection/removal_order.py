"""In which order the units of one group go when that group alone is pruned."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from easiedge.projection.project import order_of
from easiedge.unit import FilterGroup, FilterScores, Interaction


def removal_order(scores: FilterScores, group: FilterGroup) -> Tensor:
    """The units of ``group``, int64 ``[size - 1]``, the least important first; the one that never goes is not among them.

    Of a joint score the block of the group is used: ``F_gg`` and ``g_g``, all other units stay.
    """
    order = order_of(of_group(scores, group), [group])
    return torch.from_numpy(order.remove(0, group.size - 1)).long()


def of_group(scores: FilterScores, group: FilterGroup) -> FilterScores:
    """The scores of one group, with its block of the interaction."""
    values = {group.name: scores.values[group.name]}
    if scores.interaction is None:
        return replace(scores, values=values)
    return replace(scores, values=values, interaction=_block(scores.interaction, scores, group))


def _block(joint: Interaction, scores: FilterScores, group: FilterGroup) -> Interaction:
    start = sum(len(scores.values[name]) for name in joint.names[: joint.names.index(group.name)])
    own = slice(start, start + group.size)
    return replace(
        joint,
        names=(group.name,),
        gradient=joint.gradient[own],
        fisher=None if joint.fisher is None else joint.fisher[own, own],
        rows=None if joint.rows is None else joint.rows[:, own],
    )
