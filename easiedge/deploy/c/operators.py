"""What a node of a traced network does, under one name for module, function and method, and its options by name."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

IDENTITY = "identity"
_MODULES: dict[type[nn.Module], str] = {
    nn.Conv2d: "conv2d", nn.Linear: "linear", nn.BatchNorm1d: "batch_norm", nn.BatchNorm2d: "batch_norm",
    nn.ReLU: "relu", nn.ReLU6: "relu6", nn.Hardtanh: "hardtanh", nn.LeakyReLU: "leaky_relu", nn.Hardswish: "hardswish",
    nn.Hardsigmoid: "hardsigmoid", nn.SiLU: "silu", nn.Softmax: "softmax", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh",
    nn.MaxPool2d: "max_pool2d", nn.AvgPool2d: "avg_pool2d", nn.AdaptiveAvgPool2d: "adaptive_avg_pool2d",
    nn.AdaptiveMaxPool2d: "adaptive_max_pool2d", nn.Flatten: "reshape", nn.Unflatten: "reshape", nn.ZeroPad2d: "zero_pad2d",
    nn.Identity: IDENTITY, nn.Dropout: IDENTITY, nn.Dropout1d: IDENTITY, nn.Dropout2d: IDENTITY, nn.Dropout3d: IDENTITY,
    nn.AlphaDropout: IDENTITY,
}  # fmt: skip
_FUNCTIONS: dict[Any, str] = {
    F.relu: "relu", torch.relu: "relu", "relu": "relu", F.relu6: "relu6", F.hardtanh: "hardtanh", F.leaky_relu: "leaky_relu",
    torch.clamp: "clamp", "clamp": "clamp", F.hardswish: "hardswish", F.hardsigmoid: "hardsigmoid", F.silu: "silu", F.softmax: "softmax", torch.softmax: "softmax", "softmax": "softmax",
    F.sigmoid: "sigmoid", torch.sigmoid: "sigmoid", "sigmoid": "sigmoid", F.tanh: "tanh", torch.tanh: "tanh", "tanh": "tanh",
    F.max_pool2d: "max_pool2d", torch.max_pool2d: "max_pool2d", F.avg_pool2d: "avg_pool2d",
    F.adaptive_avg_pool2d: "adaptive_avg_pool2d", F.adaptive_max_pool2d: "adaptive_max_pool2d", torch.mean: "mean", "mean": "mean",
    operator.add: "add", torch.add: "add", "add": "add", operator.mul: "mul", torch.mul: "mul", torch.multiply: "mul", "mul": "mul",
    torch.cat: "cat", torch.concat: "cat", torch.concatenate: "cat", torch.chunk: "parts", "chunk": "parts", torch.split: "parts",
    "split": "parts", operator.getitem: "getitem", F.pad: "pad", torch.flatten: "reshape", torch.reshape: "reshape",
    torch.squeeze: "reshape", torch.unsqueeze: "reshape", "flatten": "reshape", "reshape": "reshape", "view": "reshape",
    "squeeze": "reshape", "unsqueeze": "reshape", "contiguous": IDENTITY, "clone": IDENTITY, "detach": IDENTITY, "float": IDENTITY,
}  # fmt: skip
_DROPS = ("StochasticDepth", "DropBlock2d", "DropBlock3d")
_OPTIONS: dict[str, tuple[tuple[str, Any], ...]] = {
    "max_pool2d": (
        ("kernel_size", None), ("stride", None), ("padding", 0), ("dilation", 1), ("ceil_mode", False), ("return_indices", False),
    ),
    "avg_pool2d": (
        ("kernel_size", None), ("stride", None), ("padding", 0), ("ceil_mode", False), ("count_include_pad", True),
        ("divisor_override", None),
    ),
    "adaptive_avg_pool2d": (("output_size", 1),),
    "adaptive_max_pool2d": (("output_size", 1), ("return_indices", False)),
    "hardtanh": (("min_val", -1.0), ("max_val", 1.0)),
    "clamp": (("min", None), ("max", None)),
    "leaky_relu": (("negative_slope", 0.01),),
    "mean": (("dim", None), ("keepdim", False), ("dtype", None)),
    "add": (("other", None), ("alpha", 1)),
    "mul": (("other", None),),
    "softmax": (("dim", None), ("_stacklevel", 3), ("dtype", None)),
    "cat": (("dim", 0),),
    "getitem": (("index", None),),
    "pad": (("pad", ()), ("mode", "constant"), ("value", None)),
}  # fmt: skip


def operator_of(node: fx.Node, modules: dict[str, nn.Module]) -> str | None:
    """The one name of what the node does; None where C does not know it."""
    if node.op == "call_module":
        kind = type(modules[str(node.target)])
        return IDENTITY if kind.__name__ in _DROPS else _MODULES.get(kind)
    if getattr(node.target, "__name__", "") == "stochastic_depth":
        return IDENTITY
    try:
        return _FUNCTIONS.get(node.target)
    except TypeError:
        return None


def called(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    """What a message calls it."""
    if node.op == "call_module":
        return f"{type(modules[str(node.target)]).__name__} (layer {str(node.target)!r})"
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    return f"{name} ({node.name})"


def options_of(name: str, node: fx.Node, modules: dict[str, nn.Module], known: Callable[[Any], Any]) -> dict[str, Any]:
    """The options of an operator by name, off a layer's attributes or a call's arguments.

    Args:
        name: the operator.
        node: that calls it.
        modules: of the network.
        known: gives the value of a node that is no tensor, such as a size.
    """
    wanted = _OPTIONS.get(name, ())
    if node.op == "call_module":
        module = modules[str(node.target)]
        return {option: getattr(module, option, default) for option, default in wanted}
    given = [known(a) for a in node.args[1:]]
    found = dict(wanted)
    found |= dict(zip(found, given, strict=False))
    return found | {k: known(v) for k, v in node.kwargs.items() if k in found}
