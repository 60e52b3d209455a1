"""The filters of a unit as one vector: the weights of every convolution and linear layer of the tie that make its channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from easiedge.unit import FilterGroup


def unit_filters(model: nn.Module, group: FilterGroup) -> Tensor:
    """``[units, weights]`` in float64 on the CPU: the filters of all tied layers one after the other, without biases."""
    parts = []
    for layer in group.layers:
        weight = model.get_submodule(layer).weight
        assert isinstance(weight, Tensor)
        parts.append(weight.detach().double().cpu().flatten(1)[group.produced(layer)].flatten(1))
    return torch.cat(parts, 1)
