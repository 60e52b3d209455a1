"""Gradients of a scalar per image by the weights, image by image, from one forward and one backward pass.

A layer that computes y = w * a at positions p has, for image n, the gradient  G_n = sum over p of delta_np a_np'  with delta the
gradient by y and a the input patch.  Hooks keep a and delta; the weights themselves are not differentiated, so nothing is summed
over images, and the result does not depend on how the images are batched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.model.operations import CONVOLUTIONS
from easiedge.model.patches import patches

FLOATS = 2**24  # input patches of one layer that are held at once (64 MB in float32)
PIECE = 2**20  # weight gradients that are held at once
FEW = 4  # output positions up to which pairs of positions cost less than the gradients of every image


@dataclass(frozen=True)
class Call:
    """One run of a layer: its input (at a version), the output of a norm, and a zero added to the output, whose gradient is delta."""

    a: Tensor
    y: Tensor | None
    zero: Tensor
    version: int


@contextmanager
def tapped(model: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, list[Call]]]:
    """Within the context every run of one of ``layers`` is kept, in order.

    Raises:
        ModelError: at the end, if an input has been changed in place after it was read.
    """
    calls: dict[str, list[Call]] = {layer: [] for layer in layers}

    def tap(layer: str, module: nn.Module, a: Tensor, y: Tensor) -> Tensor:
        zero = torch.zeros_like(y, requires_grad=True)
        kept = None if isinstance(module, (nn.Linear, *CONVOLUTIONS)) else y.detach()
        calls[layer].append(Call(a.detach(), kept, zero, a._version))
        return y + zero

    hooks = [
        model.get_submodule(layer).register_forward_hook(lambda m, i, y, layer=layer: tap(layer, m, i[0], y))  # type: ignore[misc]
        for layer in layers
    ]
    try:
        yield calls
        for layer in layers:
            if any(call.a._version != call.version for call in calls[layer]):
                raise ModelError(
                    f"the input of layer {layer!r} is changed in place after the layer has read it, so its weight gradients are lost: "
                    "make that operation out of place"
                )
    finally:
        for hook in hooks:
            hook.remove()


def saliency(module: nn.Module, calls: Sequence[Call], deltas: Sequence[Tensor]) -> Tensor:
    """Sum over images and over the parameters w of each output channel of ``(w dL/dw)^2``, float64 ``[channels]``.

    Args:
        module: a convolution, a linear layer, a norm, or PReLU with a slope per channel.
        calls: the runs of the layer.
        deltas: the gradient of the scalar by the layer's output, for each run.
    """
    if isinstance(module, (nn.Linear, *CONVOLUTIONS)):
        pairs = [(call.a, delta) for call, delta in zip(calls, deltas, strict=True)]
        total = _of_filters(module, pairs)
    else:
        total = _of_scale(module, calls, deltas)
    bias = getattr(module, "bias", None)
    if isinstance(bias, Tensor):
        shift = sum(_over_positions(module, delta) for delta in deltas)
        total = total + (shift * bias.detach()).square().sum(0).double()
    return total


def _over_positions(module: nn.Module, values: Tensor) -> Tensor:
    """Sum over positions, ``[batch, channels]``."""
    values = values.movedim(-1, 1) if isinstance(module, nn.Linear) else values
    return values.reshape(*values.shape[:2], -1).sum(2)


def _of_scale(module: nn.Module, calls: Sequence[Call], deltas: Sequence[Tensor]) -> Tensor:
    """A scale gamma or slope: ``gamma dL/dgamma = sum over p of delta * (what it scales, times gamma)``, read off the output."""
    bias, parts = getattr(module, "bias", None), []
    for call, delta in zip(calls, deltas, strict=True):
        part = call.y
        assert part is not None
        if isinstance(bias, Tensor):
            part = part - bias.detach().reshape(-1, *[1] * (part.ndim - 2))
        if isinstance(module, nn.PReLU):
            part = torch.where(call.a < 0, part, 0.0)
        parts.append(_over_positions(module, delta * part))
    return torch.stack(parts).sum(0).square().sum(0).double()


def _of_filters(module: nn.Module, pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Sum over images, ``[channels]``; the positions of all runs stand one after the other."""
    assert isinstance(module.weight, Tensor)
    groups = int(getattr(module, "groups", 1))
    squares = module.weight.detach().flatten(1).square().unflatten(0, (groups, -1))  # [groups, outputs, width]
    positions = sum(delta[0].numel() // len(module.weight) for _, delta in pairs)
    step = max(1, FLOATS // (groups * positions * squares.shape[2]))
    total = squares.new_zeros(squares.shape[:2], dtype=torch.float64)
    for start in range(0, len(pairs[0][0]), step):
        part = slice(start, start + step)
        rows = torch.cat([input_patches(module, a[part], delta) for a, delta in pairs], 2)
        deltas = torch.cat([output_deltas(module, delta[part], groups) for _, delta in pairs], 3)
        if positions <= FEW:
            total += _by_pairs(rows, deltas, squares)
        else:
            total += _by_gradients(rows, deltas, squares)
    return total.flatten()


def _by_pairs(rows: Tensor, deltas: Tensor, squares: Tensor) -> Tensor:
    """``sum over p, q of delta_p delta_q <a_p a_q, w^2>``: without the gradients, for few positions; ``[groups, outputs]``."""
    total = squares.new_zeros(squares.shape[:2], dtype=torch.float64)
    for p in range(rows.shape[2]):
        for q in range(p + 1):
            products = torch.einsum("ngd,god->ngo", rows[:, :, p] * rows[:, :, q], squares)
            both = (deltas[..., p] * deltas[..., q] * products).sum(0).double()
            total += both if p == q else 2 * both
    return total


def _by_gradients(rows: Tensor, deltas: Tensor, squares: Tensor) -> Tensor:
    """``<G^2, w^2>`` with the gradients G of each image, in pieces that stay in the cache; ``[groups, outputs]``."""
    groups, outputs, width = squares.shape
    total = squares.new_zeros(groups, outputs, dtype=torch.float64)
    images = max(1, min(8, PIECE // (groups * width)))
    block = max(1, PIECE // (images * groups * width))
    for a, delta in zip(rows.split(images), deltas.split(images), strict=True):
        for start in range(0, outputs, block):
            part = slice(start, start + block)
            gradient = delta[:, :, part] @ a  # [images, groups, block, width]
            total[:, part] += (gradient.square_().sum(0) * squares[:, part]).sum(2).double()
    return total


def input_patches(module: nn.Module, a: Tensor, delta: Tensor) -> Tensor:
    """Input patches ``[images, groups, positions, width]``."""
    if isinstance(module, nn.Conv2d) and module.groups == 1 and _zero_padded(module):
        padding = cast("tuple[int, ...]", module.padding)
        return F.unfold(a, module.kernel_size, module.dilation, padding, module.stride).transpose(1, 2)[:, None]
    positions = delta[0].numel() // (delta.shape[-1] if isinstance(module, nn.Linear) else delta.shape[1])
    rows = patches(module, a, torch.arange(positions))
    return rows.unflatten(0, (len(a), positions)).transpose(1, 2)


def _zero_padded(module: nn.Conv2d) -> bool:
    return module.padding_mode == "zeros" and not isinstance(module.padding, str)


def output_deltas(module: nn.Module, delta: Tensor, groups: int) -> Tensor:
    """``[images, groups, outputs, positions]``."""
    delta = delta.movedim(-1, 1) if isinstance(module, nn.Linear) else delta
    return delta.reshape(len(delta), groups, delta.shape[1] // groups, -1)
