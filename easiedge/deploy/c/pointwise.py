"""Operators that change each number by itself, in place where nobody else reads it: activations, sums, products, norms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import fx, nn

from easiedge.deploy.c.lowering import Lowering, limits, parameter
from easiedge.deploy.c.program import Memory, Value

_KERNELS = {"tanh": "hyperbolic_tangent"}


def clamp(kind: str, job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """A ReLU or other clamp that could not be part of the operator before it."""
    low, high = limits(kind, options)
    x = job.overwritten(job.operand(n), n)
    job.note(f"{kind} of {x}")
    job.call(n, "clamp", x.size, Memory(x.buffer), low, high)
    return x


def activation(kind: str, job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """An activation with a kernel of its own."""
    x = job.overwritten(job.operand(n), n)
    job.note(f"{kind} of {x}")
    more = (float(options["negative_slope"]),) if kind == "leaky_relu" else ()
    job.call(n, _KERNELS.get(kind, kind), x.size, Memory(x.buffer), *more)
    return x


def softmax(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """Shares of the classes, of a vector."""
    if len(job.shapes[n]) != 2 or options["dim"] not in (1, -1):
        raise job.refusal(n, "is not over the classes of [batch, classes]")
    x = job.overwritten(job.operand(n), n)
    job.note(f"softmax of {x}")
    job.call(n, "softmax", x.size, Memory(x.buffer))
    return x


def add(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """The sum of two activations of one shape, with the clamp behind it."""
    if options["alpha"] != 1:
        raise job.refusal(n, "scales an operand")
    first, second = _two(job, n)
    if not _alike(first, second):
        raise job.refusal(n, "adds tensors of different shapes")
    if job.free(second) and not job.free(first):
        first, second = second, first
    x = job.overwritten(first, n, second)
    low, high, behind = job.clamp_behind(n)
    job.note(f"sum of {x}{behind}")
    job.call(n, "add", x.size, Memory(x.buffer), Memory(second.buffer), low, high)
    return x


def multiply(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """The product of two activations: of one shape, or an image and a factor for each of its channels."""
    first, second = _two(job, n)
    if first.pixels < second.pixels:
        first, second = second, first
    x = first
    if _alike(first, second):
        x = job.overwritten(first, n, second)
        job.call(n, "multiply", x.size, Memory(x.buffer), Memory(second.buffer))
    elif second.pixels == 1 and first.channels == second.channels and job.shapes[n][2:] == (first.height, first.width):
        x = job.overwritten(first, n, second)
        job.call(n, "multiply_channels", x.pixels, x.channels, Memory(x.buffer), Memory(second.buffer))
    else:
        raise job.refusal(n, "multiplies tensors of shapes that do not match")
    job.note(f"product of {x} and {second}")
    return x


def batch_norm(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """A norm that no convolution took in, with the clamp behind it: scale and shift by channel."""
    layer, name, x = job.modules[str(n.target)], str(n.target), job.operand(n)
    assert isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    mean, var = parameter(layer, "running_mean"), parameter(layer, "running_var")
    if mean is None or var is None:
        raise job.refusal(n, "has no running statistics")
    weight, bias = parameter(layer, "weight"), parameter(layer, "bias")
    scale = (1.0 if weight is None else weight.astype(np.float64)) / np.sqrt(var.astype(np.float64) + layer.eps)
    shift = (0.0 if bias is None else bias) - mean * scale
    if x.order is not None:
        name, scale, shift = f"{name}.channels_last", scale[x.order], shift[x.order]
    low, high, behind = job.clamp_behind(n)
    x = job.overwritten(x, n)
    job.note(f"batch norm of {x}{behind}")
    job.call(
        n, "scale_shift", x.pixels, x.channels, Memory(x.buffer), job.constant(f"{name}.scale", scale),
        job.constant(f"{name}.shift", shift), low, high,
    )  # fmt: skip
    return x


def _two(job: Lowering, n: fx.Node) -> tuple[Value, Value]:
    if len(n.args) < 2:
        raise job.refusal(n, "has operands by keyword")
    return job.operand(n), job.operand(n, 1)


def _alike(a: Value, b: Value) -> bool:
    orders = [np.arange(v.channels) if v.order is None else v.order for v in (a, b)]
    same = (a.channels, a.height, a.width) == (b.channels, b.height, b.width)
    return same and bool((orders[0] == orders[1]).all())
