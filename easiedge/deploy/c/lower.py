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
    "batch_norm": pointwise.batch_norm, "add": pointwise.add, "mul": pointwise.multiply,
    **{kind: partial(pointwise.clamp, kind) for kind in ("relu", "relu6", "hardtanh", "clamp")},
    **{
        kind: partial(pointwise.activation, kind)
        for kind in ("leaky_relu", "hardswish", "hardsigmoid", "silu", "sigmoid", "tanh")
    },
    "reshape": shapes.reshape, "getitem": shapes.getitem, "pad": shapes.pad, "zero_pad2d": shapes.zero_pad, "parts": shapes.parts,
    "cat": shapes.concatenation,
}  # fmt: skip


def lower(network: fx.GraphModule, example: Tensor) -> Program:
    """The program of a network in eval mode for images like ``example`` ``[images, channels, height, width]``.

    Raises:
        ModelError: an operator that C does not know; it is named.
    """
    return Lowering(network, example, OPERATORS).program()
