"""The functions and methods an artifact may name; nothing else is ever called.

Those of torchvision are looked up only when a network has one of them, so that all others load without torchvision.
"""

from __future__ import annotations

import importlib
import operator
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from easiedge.errors import ModelError

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
    return table


FUNCTIONS = _table()
_NAMES: dict[Any, str] = {}
for _name, _function in FUNCTIONS.items():
    _NAMES.setdefault(_function, _name)


TORCHVISION = {
    "torchvision.stochastic_depth": ("torchvision.ops.stochastic_depth", "stochastic_depth"),
    "torchvision.shifted_window_attention": ("torchvision.models.swin_transformer", "shifted_window_attention"),
    "torchvision.patch_merging_pad": ("torchvision.models.swin_transformer", "_patch_merging_pad"),
    "torchvision.relative_position_bias": ("torchvision.models.swin_transformer", "_get_relative_position_bias"),
}  # name in artifacts: module, attribute


def name_of(function: Any) -> str | None:
    """The name under which an artifact may hold ``function``; None where it may not."""
    try:
        known = _NAMES.get(function)
    except TypeError:
        return None
    if known is None and "torchvision" in sys.modules:
        at = (getattr(function, "__module__", None), getattr(function, "__name__", None))
        known = next((name for name, (module, attribute) in TORCHVISION.items() if at == (module, attribute)), None)
        return known if known is None or function_of(known) is function else None
    return known


def function_of(name: Any) -> Callable[..., Any] | None:
    """The function that an artifact means by ``name``; None where the name is not allowed.

    Raises:
        ModelError: it is one of torchvision's, which is not installed.
    """
    if not isinstance(name, str) or name not in TORCHVISION:
        return FUNCTIONS.get(name) if isinstance(name, str) else None
    module, attribute = TORCHVISION[name]
    return torchvision_part(module, attribute)


def torchvision_part(module: str, attribute: str) -> Any:
    """An attribute of one of torchvision's modules, imported now.

    Raises:
        ModelError: torchvision is not installed, or another version of it has no such part.
    """
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"the network holds torchvision's {attribute.lstrip('_')}, which cannot be imported here: pip install torchvision"
        ) from error
