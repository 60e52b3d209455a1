"""Convolutions and linear layers as matrix products: the input patches and the outputs at chosen output positions."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from easiedge.model.operations import CONVOLUTIONS


def patches(module: nn.Module, x: Tensor, at: Tensor) -> Tensor:
    """Input patches ``[rows, groups, width]`` of a convolution or linear layer at flat output positions ``at``.

    Rows are image by image, position by position; ``width`` is input channels per convolution group times kernel size.
    """
    if isinstance(module, nn.Linear):
        return x.reshape(x.shape[0], -1, x.shape[-1])[:, at].reshape(-1, 1, x.shape[-1])
    assert isinstance(module, CONVOLUTIONS)
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        pads = module._reversed_padding_repeated_twice
        x = F.pad(x, pads, mode="constant" if module.padding_mode == "zeros" else module.padding_mode)
    else:
        x = F.pad(x, [p for size in reversed(module.padding) for p in (size, size)])
    sizes = [
        (x.shape[2 + d] - module.dilation[d] * (module.kernel_size[d] - 1) - 1) // module.stride[d] + 1
        for d in range(x.ndim - 2)
    ]
    kernel = torch.cartesian_prod(*[torch.arange(k) for k in module.kernel_size]).reshape(-1, x.ndim - 2)
    index: list[Tensor] = []
    rest = at.clone()
    for d in reversed(range(x.ndim - 2)):
        start = (rest % sizes[d]) * module.stride[d]
        rest = rest // sizes[d]
        index.insert(0, start[:, None] + kernel[None, :, d] * module.dilation[d])
    where: tuple[Any, ...] = (slice(None), slice(None), *index)
    taken = x[where]  # [batch, channels, positions, kernel]
    batch, channels = taken.shape[:2]
    return taken.permute(0, 2, 1, 3).reshape(batch * len(at), module.groups, channels // module.groups * len(kernel))


def answers(module: nn.Module, y: Tensor, at: Tensor) -> Tensor:
    """Outputs ``[rows, channels]`` of a layer at flat output positions ``at``, in the order of `patches`."""
    if isinstance(module, nn.Linear):
        return y.reshape(y.shape[0], -1, y.shape[-1])[:, at].reshape(-1, y.shape[-1])
    return y.flatten(2)[:, :, at].permute(0, 2, 1).reshape(-1, y.shape[1])
