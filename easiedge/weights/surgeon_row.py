"""What the full and the block-wise surgeon have in common: how many weights go, and weights in one row and back in their shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn

from easiedge.weights.layers import weight_of
from easiedge.weights.weight_mask import WeightMask

NAME = "optimal_brain_surgeon"
Probes = tuple[str, int, int]  # probe, passes, seed


def goal_of(ratio: float, weights: int, layers: int) -> int:
    """Weights that have gone in the end; each layer can keep one."""
    return min(math.ceil(ratio * weights - 1e-9), weights - layers)


def in_shape(layers: Mapping[str, nn.Module], weights: Tensor, alive: Tensor) -> tuple[WeightMask, dict[str, Tensor]]:
    """The mask and the weights of all layers from ``weights`` and ``alive`` ``[weights]``, one layer after the other."""
    keep, values, start = {}, {}, 0
    for name, module in layers.items():
        weight = weight_of(module)
        span = slice(start, start + weight.numel())
        keep[name] = alive[span].reshape(weight.shape)
        values[name] = (weights[span].reshape(weight.shape) * keep[name]).to(weight)
        start = span.stop
    return WeightMask(keep), values
