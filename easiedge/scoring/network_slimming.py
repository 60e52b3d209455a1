"""Scale of a unit's norms (Liu et al., *Learning Efficient Convolutional Networks through Network Slimming*, ICCV 2017).

    score_i = mean over the norms of the tie of |gamma_i|

The paper trains with an L1 penalty on gamma first; without it the scale says less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.model.operations import CHANNEL_NORMS
from easiedge.unit import FilterGroup, FilterScores


def network_slimming(model: nn.Module, groups: Sequence[FilterGroup], batches: Any = None) -> FilterScores:
    """Score units by the scale of their norms; no data is needed.

    Raises:
        ModelError: the units of a group have no norm with a scale.
    """
    return FilterScores({group.name: _scale(model, group) for group in groups}, "network_slimming")


def _scale(model: nn.Module, group: FilterGroup) -> Tensor:
    scales = []
    for member in group.members:
        if member.axis == "out" and group.kinds[member.layer] == "norm":
            norm = model.get_submodule(member.layer)
            if isinstance(norm, CHANNEL_NORMS) and isinstance(norm.weight, Tensor):
                scales.append(norm.weight.detach().double().cpu().abs()[member.index].mean(1))
    if not scales:
        raise ModelError(
            f"network_slimming cannot score group {group.name!r}: its units have no norm with a scale; choose l2_magnitude, "
            "lamp, geometric_median or taylor_information_gain, or leave the group out"
        )
    return torch.stack(scales).mean(0)
