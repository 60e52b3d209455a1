"""What the operations in a traced network do to channels: pass them, tie them, move them, or read them.

Anything not listed here is *opaque*: the channels that flow into it are never pruned.
"""

from __future__ import annotations

import inspect
import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
LINEAR = (nn.Linear,)
CHANNEL_NORMS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)

_ELEMENTWISE_MODULES = (
    nn.Identity,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Hardtanh,
    nn.Sigmoid,
    nn.Tanh,
    nn.Softplus,
    nn.Softsign,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
)
_POOL_MODULES = (
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
    nn.AdaptiveMaxPool3d,
    nn.Upsample,
    nn.ZeroPad2d,
    nn.ReflectionPad2d,
    nn.ReplicationPad2d,
)
_ELEMENTWISE = {
    F.relu,
    F.relu6,
    F.leaky_relu,
    F.elu,
    F.selu,
    F.gelu,
    F.silu,
    F.mish,
    F.hardswish,
    F.hardsigmoid,
    F.hardtanh,
    F.sigmoid,
    F.tanh,
    F.softplus,
    torch.relu,
    torch.relu_,
    torch.sigmoid,
    torch.tanh,
    torch.abs,
    torch.square,
    torch.sqrt,
    torch.exp,
    torch.clamp,
    torch.neg,
    operator.neg,
    "relu",
    "relu_",
    "sigmoid",
    "sigmoid_",
    "tanh",
    "abs",
    "square",
    "sqrt",
    "exp",
    "clamp",
    "clamp_",
    "neg",
    "contiguous",
    "clone",
    "detach",
    "float",
    "to",
    "type_as",
    "hardtanh_",
}
_SUMS = {operator.add, operator.iadd, torch.add, "add", "add_", operator.sub, operator.isub, torch.sub, "sub", "sub_"}
_SUMS |= {torch.maximum, torch.minimum}
_PRODUCTS = {operator.mul, operator.imul, torch.mul, "mul", "mul_", torch.multiply, "multiply"}
_QUOTIENTS = {operator.truediv, operator.itruediv, torch.div, "div", "div_"}
_SHAPE = {
    torch.flatten,
    torch.reshape,
    torch.permute,
    torch.transpose,
    torch.squeeze,
    torch.unsqueeze,
    torch.cat,
    torch.concat,
    torch.concatenate,
    torch.chunk,
    torch.split,
    torch.narrow,
    torch.unbind,
    torch.movedim,
    torch.swapaxes,
    operator.getitem,
    "view",
    "reshape",
    "flatten",
    "permute",
    "transpose",
    "squeeze",
    "unsqueeze",
    "chunk",
    "split",
    "narrow",
    "unbind",
    "expand",
    "expand_as",
    "view_as",
    "reshape_as",
    "t",
}
_POOLS = {
    F.max_pool1d,
    F.max_pool2d,
    F.max_pool3d,
    F.avg_pool1d,
    F.avg_pool2d,
    F.avg_pool3d,
    torch.max_pool1d,
    torch.max_pool2d,
    F.adaptive_avg_pool1d,
    F.adaptive_avg_pool2d,
    F.adaptive_max_pool2d,
    F.interpolate,
}
_REDUCTIONS = {torch.mean, torch.sum, torch.amax, "mean", "sum", "amax"}
_PADS = {F.pad, torch.nn.functional.pad}


def kind(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    """Classify a node: what it does to the channels that flow through it."""
    if node.op == "call_module":
        return module_kind(modules[str(node.target)])
    if node.op in ("call_function", "call_method"):
        for name, targets in _BY_KIND:
            if _in(node.target, targets):
                return name
        if node.target is getattr or node.target in ("size", "dim", "numel"):
            return "size"
        if getattr(node.target, "__name__", "") == "stochastic_depth":
            return "elementwise"
    return node.op if node.op in ("placeholder", "get_attr", "output") else "opaque"


_BY_KIND: tuple[tuple[str, set[Any]], ...] = (
    ("elementwise", _ELEMENTWISE),
    ("sum", _SUMS),
    ("product", _PRODUCTS),
    ("quotient", _QUOTIENTS),
    ("shape", _SHAPE),
    ("pool", _POOLS),
    ("reduction", _REDUCTIONS),
    ("pad", _PADS),
)


def _in(target: Any, targets: set[Any]) -> bool:
    try:
        return target in targets
    except TypeError:  # unhashable targets are never ours
        return False


def module_kind(module: nn.Module) -> str:
    """Classify a layer, as `kind` does for a node that calls it."""
    if isinstance(module, CONVOLUTIONS) and type(module) in CONVOLUTIONS:
        return "conv"
    if type(module) in LINEAR:
        return "linear"
    if type(module) in CHANNEL_NORMS:
        return "norm"
    if type(module) is nn.PReLU:
        return "norm" if module.num_parameters > 1 else "elementwise"
    if type(module) in _ELEMENTWISE_MODULES or type(module).__name__ in (
        "StochasticDepth",
        "DropBlock2d",
        "DropBlock3d",
    ):
        return "elementwise"
    if type(module) in _POOL_MODULES:
        return "pool"
    if type(module) is nn.Flatten:
        return "shape"
    return "opaque"


def keeps_zero(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether an elementwise node maps zero to zero, found by running it on zero in eval mode."""
    zero = torch.zeros(1, 1, 1, 1)
    try:
        if node.op == "call_module":
            return bool(modules[str(node.target)](zero.clone()).abs().max() == 0)
        if any(isinstance(a, fx.Node) for a in (*node.args[1:], *node.kwargs.values())):
            return node.target in ("type_as", "to")
        if node.op == "call_method":
            out = getattr(zero.clone(), str(node.target))(*node.args[1:], **node.kwargs)
        else:
            assert callable(node.target)
            out = node.target(zero.clone(), *node.args[1:], **node.kwargs)
        return isinstance(out, Tensor) and bool(out.abs().max() == 0)
    except (TypeError, RuntimeError, ValueError):
        return False


def in_place(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a node changes its first argument."""
    if node.op == "call_module":
        return bool(getattr(modules[str(node.target)], "inplace", False))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if name.endswith("__") or name in ("and_", "or_", "not_", "is_"):
        return False
    at = inplace_position(node.target)
    given = node.kwargs.get("inplace") or (at is not None and len(node.args) > at and node.args[at] is True)
    return name.endswith("_") or name in ("iadd", "isub", "imul", "itruediv") or bool(given)


def inplace_position(function: Any) -> int | None:
    """Which positional argument of a function is ``inplace``; None where it has no such argument."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None
    return names.index("inplace") if "inplace" in names else None


def is_depthwise(module: nn.Module) -> bool:
    """Every input channel has filters of its own."""
    return isinstance(module, CONVOLUTIONS) and module.groups > 1 and module.groups == module.in_channels
