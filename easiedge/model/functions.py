"""The functions and methods an artifact may name; nothing else is ever called."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torchvision.models import swin_transformer
from torchvision.ops import stochastic_depth

_OPERATORS = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "neg",
    "pow",
    "getitem",
    "iadd",
    "isub",
    "imul",
    "itruediv",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "not_",
    "and_",
    "or_",
    "matmul",
]
_TORCH = [
    "add",
    "sub",
    "mul",
    "div",
    "floor_divide",
    "neg",
    "abs",
    "square",
    "sqrt",
    "exp",
    "pow",
    "clamp",
    "maximum",
    "minimum",
    "relu",
    "relu_",
    "sigmoid",
    "tanh",
    "softmax",
    "log_softmax",
    "mean",
    "sum",
    "amax",
    "flatten",
    "reshape",
    "permute",
    "transpose",
    "squeeze",
    "unsqueeze",
    "cat",
    "concat",
    "concatenate",
    "stack",
    "chunk",
    "split",
    "narrow",
    "unbind",
    "movedim",
    "swapaxes",
    "index_select",
    "roll",
    "matmul",
    "bmm",
    "einsum",
    "max_pool1d",
    "max_pool2d",
    "multiply",
]
_FUNCTIONAL = [
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "hardswish",
    "hardsigmoid",
    "hardtanh",
    "sigmoid",
    "tanh",
    "softplus",
    "softmax",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "interpolate",
    "pad",
    "normalize",
    "layer_norm",
    "group_norm",
    "batch_norm",
    "linear",
    "conv1d",
    "conv2d",
    "scaled_dot_product_attention",
]
METHODS = frozenset(
    [
        "add",
        "add_",
        "sub",
        "sub_",
        "mul",
        "mul_",
        "div",
        "div_",
        "neg",
        "abs",
        "square",
        "sqrt",
        "exp",
        "pow",
        "clamp",
        "clamp_",
        "relu",
        "relu_",
        "sigmoid",
        "sigmoid_",
        "tanh",
        "softmax",
        "mean",
        "sum",
        "amax",
        "flatten",
        "reshape",
        "view",
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
        "contiguous",
        "clone",
        "detach",
        "float",
        "to",
        "type_as",
        "size",
        "dim",
        "numel",
        "t",
        "repeat",
        "roll",
        "matmul",
        "unflatten",
    ]
)
ATTRIBUTES = frozenset({"shape", "dtype", "device", "ndim"})


def _table() -> dict[str, Callable[..., Any]]:
    table: dict[str, Callable[..., Any]] = {"getattr": getattr, "torch._assert": torch._assert}
    for prefix, owner, names in (
        ("operator.", operator, _OPERATORS),
        ("torch.", torch, _TORCH),
        ("F.", F, _FUNCTIONAL),
    ):
        table |= {prefix + name: getattr(owner, name) for name in names if hasattr(owner, name)}
    table["torchvision.stochastic_depth"] = stochastic_depth
    table["torchvision.shifted_window_attention"] = swin_transformer.shifted_window_attention
    table["torchvision.patch_merging_pad"] = swin_transformer._patch_merging_pad
    table["torchvision.relative_position_bias"] = swin_transformer._get_relative_position_bias
    return table


FUNCTIONS = _table()
_NAMES: dict[Any, str] = {}
for _name, _function in FUNCTIONS.items():
    _NAMES.setdefault(_function, _name)


def name_of(function: Any) -> str | None:
    """The name under which an artifact may hold ``function``; None where it may not."""
    try:
        return _NAMES.get(function)
    except TypeError:
        return None
