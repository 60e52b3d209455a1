"""Magnitude of single weights (Han, Pool, Tran & Dally, *Learning both Weights and Connections*, NIPS 2015).

    score_w = |w|

The paper cuts at a threshold, a multiple of the standard deviation of a layer's weights; here the share is given and the threshold follows.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from easiedge.weights.layers import weight_of


def weight_magnitude(layers: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The absolute value of every weight, float64 on the CPU, in the shape of each weight; no data is needed."""
    return {name: weight_of(module).detach().double().abs().cpu() for name, module in layers.items()}
