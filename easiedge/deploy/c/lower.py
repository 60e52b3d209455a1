"""The operators that C knows, by name, and the program of a network made of them."""

from __future__ import annotations

from functools import partial

from torch import Tensor, fx

from easiedge.deploy.c import pointwise, shapes, windows
from easiedge.deploy.c.lowering import Lowering, Operator
from easiedge.deploy.c.program import Program

OPERATORS: dict[str, Operator] = {
    "conv2d": windows.convolution, "linear": windows.linear, "max_pool2d": windows.pooling, "avg_pool2d": windows.pooling,
    "adaptive_avg_pool2d": windows.adaptive_pooling, "adaptive_max_pool2d": windows.adaptive_pooling, "mean": windows.mean,
    "batch_norm": pointwise.batch_norm, "softmax": pointwise.softmax, "add": pointwise.add, "mul": pointwise.multiply,
    **{kind: partial(pointwise.clamp, kind) for kind in ("relu", "relu6", "hardtanh", "clamp")},
    **{
        kind: partial(pointwise.activation, kind)
        for kind in ("leaky_relu", "hardswish", "hardsigmoid", "silu", "sigmoid", "tanh")
    },
    "reshape": shapes.reshape, "getitem": shapes.getitem, "pad": shapes.pad, "zero_pad2d": shapes.zero_pad, "parts": shapes.parts,
    "cat": shapes.concatenation,
}  # fmt: skip


IN_FIXED_POINT = (
    "conv2d", "linear", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "mean", "add", "relu", "relu6", "hardtanh",
    "clamp", "softmax", "reshape", "getitem", "pad", "zero_pad2d", "parts", "cat",
)  # fmt: skip


def lower(network: fx.GraphModule, example: Tensor, fixed: bool = False) -> Program:
    """The program of a network in eval mode for images like ``example`` ``[images, channels, height, width]``; with ``fixed`` for fixed point.

    Raises:
        ModelError: an operator that C does not know; it is named.
    """
    known = {name: OPERATORS[name] for name in IN_FIXED_POINT} if fixed else OPERATORS
    return Lowering(network, example, known, fixed).program()
