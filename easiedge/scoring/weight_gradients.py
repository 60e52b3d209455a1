"""Gradients of a scalar per image by the weights, image by image, from one forward and one backward pass.

A layer that computes y = w * a at positions p has, for image n, the gradient  G_n = sum over p of delta_np a_np'  with delta the
gradient by y and a the input patch.  Hooks keep a and delta; the weights themselves are not differentiated, so nothing is summed
over images, and the result does not depend on how the images are batched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.model.operations import CONVOLUTIONS
from easiedge.model.patches import patches

FLOATS = 2**24  # patches and gradients of one layer that are held at once (64 MB in float32)


@dataclass(frozen=True)
class Call:
    """One run of a layer: its input, its output, and a zero added to the output, whose gradient is delta."""

    a: Tensor
    y: Tensor
    zero: Tensor
    version: int

    def input(self, layer: str) -> Tensor:
        """The input, if nothing has changed it in place since.

        Raises:
            ModelError: something has.
        """
        if self.a._version != self.version:
            raise ModelError(
                f"the input of layer {layer!r} is changed in place after the layer has read it, so its weight gradients are lost: "
                "make that operation out of place"
            )
        return self.a


@contextmanager
def tapped(model: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, list[Call]]]:
    """Within the context every run of one of ``layers`` is kept, in order."""
    calls: dict[str, list[Call]] = {layer: [] for layer in layers}

    def tap(layer: str, a: Tensor, y: Tensor) -> Tensor:
        zero = torch.zeros_like(y, requires_grad=True)
        calls[layer].append(Call(a.detach(), y.detach(), zero, a._version))
        return y + zero

    hooks = [
        model.get_submodule(layer).register_forward_hook(lambda m, i, y, layer=layer: tap(layer, i[0], y))  # type: ignore[misc]
        for layer in layers
    ]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def saliency(layer: str, module: nn.Module, calls: Sequence[Call], deltas: Sequence[Tensor]) -> Tensor:
    """Sum over images and over the parameters w of each output channel of ``(w dL/dw)^2``, float64 ``[channels]``.

    Args:
        layer: its name, for messages.
        module: a convolution, a linear layer, a norm, or PReLU with a slope per channel.
        calls: the runs of the layer.
        deltas: the gradient of the scalar by the layer's output, for each run.
    """
    if isinstance(module, (nn.Linear, *CONVOLUTIONS)):
        pairs = [(call.input(layer), delta) for call, delta in zip(calls, deltas, strict=True)]
        total = _of_filters(module, pairs)
    else:
        total = _of_scale(layer, module, calls, deltas)
    bias = getattr(module, "bias", None)
    if isinstance(bias, Tensor):
        shift = sum(_over_positions(module, delta) for delta in deltas)
        total = total + (shift * bias.detach()).square().sum(0).double()
    return total


def _over_positions(module: nn.Module, values: Tensor) -> Tensor:
    """Sum over positions, ``[batch, channels]``."""
    values = values.movedim(-1, 1) if isinstance(module, nn.Linear) else values
    return values.reshape(*values.shape[:2], -1).sum(2)


def _of_scale(layer: str, module: nn.Module, calls: Sequence[Call], deltas: Sequence[Tensor]) -> Tensor:
    """A scale gamma or slope: ``gamma dL/dgamma = sum over p of delta * (what it scales, times gamma)``, read off the output."""
    bias, parts = getattr(module, "bias", None), []
    for call, delta in zip(calls, deltas, strict=True):
        part = call.y
        if isinstance(bias, Tensor):
            part = part - bias.detach().reshape(-1, *[1] * (part.ndim - 2))
        if isinstance(module, nn.PReLU):
            part = torch.where(call.input(layer) < 0, part, 0.0)
        parts.append(_over_positions(module, delta * part))
    return torch.stack(parts).sum(0).square().sum(0).double()


def _of_filters(module: nn.Module, pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    assert isinstance(module.weight, Tensor)
    groups = int(getattr(module, "groups", 1))
    squares = module.weight.detach().flatten(1).square()  # [outputs, width]
    outputs, width = squares.shape
    if len(pairs) == 1 and pairs[0][1].ndim == 2:  # one position: the square of a product is the product of squares
        a, delta = pairs[0]
        return (delta.square() * F.linear(a.square(), squares)).sum(0).double()
    images = len(pairs[0][0])
    positions = max(delta[0].numel() // outputs for _, delta in pairs)
    step = max(1, FLOATS // (groups * positions * width + outputs * width))
    total = squares.new_zeros(outputs, dtype=torch.float64)
    for start in range(0, images, step):
        part = slice(start, start + step)
        gradient = sum(_per_image(module, a[part], delta[part], groups) for a, delta in pairs)
        assert isinstance(gradient, Tensor)
        total += (gradient.square().sum(0) * squares).sum(1).double()
    return total


def _per_image(module: nn.Module, a: Tensor, delta: Tensor, groups: int) -> Tensor:
    """Gradient of each image by the weights, ``[images, outputs, width]``."""
    images = len(a)
    if isinstance(module, nn.Linear):
        delta = delta.movedim(-1, 1)
    delta = delta.flatten(2)  # [images, outputs, positions]
    if (
        isinstance(module, nn.Conv2d)
        and groups == 1
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    ):
        unfolded = F.unfold(a, module.kernel_size, module.dilation, module.padding, module.stride)
        return delta @ unfolded.transpose(1, 2)
    rows = patches(module, a, torch.arange(delta.shape[2], device=a.device))
    rows = rows.reshape(images, delta.shape[2], groups, -1)
    gradient = torch.einsum("ngop,npgd->ngod", delta.unflatten(1, (groups, -1)), rows)
    return gradient.flatten(1, 2)
