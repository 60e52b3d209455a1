"""Batch norm over the images of all processes, so that a batch shared among them is normalised as it is in one.

With n_r values per channel in process r, n = sum_r n_r, and mu_r, v_r their mean and biased variance:

    mu = sum_r n_r mu_r / n        v = sum_r n_r (v_r + (mu_r - mu)^2) / n        y = gamma (x - mu) / sqrt(v + eps) + beta
    dL/dx = gamma / sqrt(v + eps) * (dL/dy - (sum dL/dy + x^ sum dL/dy x^) / n)        x^ = (x - mu) / sqrt(v + eps)

where the sums of the last line run over all processes.  Chan, Golub & LeVeque 1983 for the variance; Ioffe & Szegedy 2015 for the rest.
One exchange of ``2 channels + 1`` numbers in the forward pass of each layer, one of ``2 channels`` in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from easiedge.processes import stacked, summed, world_size


def whole_batch_norm(present: bool = True) -> AbstractContextManager[Any]:
    """Within, batch norm in training mode normalises over all processes; in one process nothing changes.

    Args:
        present: whether this process's images count.
    """
    return _WholeBatch(present) if world_size() > 1 else nullcontext()


class _WholeBatch(TorchFunctionMode):
    """Takes the place of `torch.nn.functional.batch_norm`, which every batch norm layer calls."""

    def __init__(self, present: bool) -> None:
        super().__init__()
        self.present = present

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is not F.batch_norm:
            return func(*args, **(kwargs or {}))
        given = dict(zip(_ARGUMENTS, args, strict=False)) | dict(kwargs or {})
        return _normalised(self.present, **given)


_ARGUMENTS = ("x", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")


def _normalised(
    present: bool, x: Tensor | None = None, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
    input: Tensor | None = None,  # noqa: A002  # the name that torch gives x
) -> Tensor:  # fmt: skip
    x = input if x is None else x
    assert x is not None
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    mean, var, count = _statistics(x.detach(), present)
    if running_mean is not None and running_var is not None:
        unbiased = var * (count / (count - 1).clamp(min=1))
        running_mean.lerp_(mean.to(running_mean.dtype), momentum)
        running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    result: Tensor = _Normalise.apply(x, weight, bias, mean, var, count, eps, present)
    return result


def _statistics(x: Tensor, present: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and biased variance ``[channels]`` over all processes, in float64 until the end, and how many values they are of."""
    wide = _wide(x)
    var, mean = torch.var_mean(wide, [0, *range(2, x.ndim)], correction=0)
    count = mean.new_full((1,), x.numel() // x.shape[1] * present)
    parts = stacked(torch.cat([mean, var, count])).double()
    means, variances, counts = parts.split([len(mean), len(var), 1], dim=1)
    total = counts.sum()
    common = (counts * means).sum(0) / total
    spread = (counts * (variances + (means - common).square())).sum(0) / total
    return common.to(wide.dtype), spread.to(wide.dtype), total.to(wide.dtype)


def _wide(x: Tensor) -> Tensor:
    return x if x.element_size() >= 4 else x.float()


class _Normalise(torch.autograd.Function):
    """The equations above, given the statistics."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, count: Tensor, eps: float, present: bool,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt(), count)
        ctx.present = present
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse, count = ctx.saved_tensors
        shape, dims = [1, -1, *[1] * (x.ndim - 2)], [0, *range(2, x.ndim)]
        if x.device.type == "cpu" and x.element_size() >= 4:
            return _fused(gradients[0], x, weight, mean, inverse, count, shape, ctx.present)
        dy = _wide(gradients[0])
        hat = (_wide(x) - mean.view(shape)) * inverse.view(shape)
        shift, scale = dy.sum(dims), (dy * hat).sum(dims)
        of_all = summed(torch.cat([shift, scale])) / count
        common, along = of_all.view(2, -1)
        factor = inverse if weight is None else inverse * weight
        dx = (dy - common.view(shape) - hat * along.view(shape)) * factor.view(shape)
        own = dx.to(x.dtype) if ctx.present else torch.zeros_like(x)
        return own, None if weight is None else scale, None if weight is None else shift, None, None, None, None, None


def _fused(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    mean: Tensor,
    inverse: Tensor,
    count: Tensor,
    shape: list[int],
    present: bool,
) -> tuple[Tensor | None, ...]:
    """The backward pass by torch's own kernel, which takes means over this process alone, and a correction.

    gamma / sqrt(v + eps) * (a + b x^)    with a, b the own means of dL/dy and dL/dy x^ less those of all
    """
    dx, scale, shift = torch.ops.aten.native_batch_norm_backward(
        dy, x, weight, None, None, mean, inverse, True, 0.0, [True, True, True]
    )
    own = torch.cat([shift, scale])
    rest = own / (x.numel() // x.shape[1]) - summed(own.clone()) / count
    a, b = (rest.view(2, -1) * (inverse if weight is None else inverse * weight)).unbind()
    b = b * inverse
    dx = dx.addcmul_(x, b.view(shape)).add_((a - b * mean).view(shape)) if present else torch.zeros_like(x)
    return dx, None if weight is None else scale, None if weight is None else shift, None, None, None, None, None
