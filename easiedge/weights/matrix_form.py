"""A weight as the matrix that sparse formats store: one row for each output, ``[outputs, inputs * kernel]``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.weights.layers import WITH_WEIGHTS, no_matrix


def weight_matrix(network: nn.Module, name: str) -> Tensor:
    """The weight of layer ``name`` as a matrix ``[outputs, width]``, zeros and masks included.

    Raises:
        ModelError: there is no such layer, or it has no weight matrix.
    """
    modules = dict(network.named_modules())
    if name not in modules or not isinstance(modules[name], WITH_WEIGHTS):
        known = [n for n, m in modules.items() if isinstance(m, WITH_WEIGHTS)]
        raise ModelError(no_matrix(name, modules.get(name), known))
    weight = modules[name].weight
    assert isinstance(weight, Tensor)
    if weight.layout is not torch.strided:
        raise ModelError(
            f"the weight of layer {name!r} is {weight.layout} already: make it dense first, weight.to_dense()"
        )
    if not weight.is_floating_point():
        raise ModelError(
            f"the weight of layer {name!r} is {weight.dtype}, and sparse storage is for floating point: store it sparsely before it is quantized"
        )
    return weight.detach().flatten(1)
