"""The layers an artifact may name, and the arguments that make each of them again."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.model.functions import torchvision_part

_TORCH_NN = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Linear",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "GroupNorm",
    "Identity",
    "ReLU",
    "ReLU6",
    "LeakyReLU",
    "PReLU",
    "ELU",
    "SELU",
    "CELU",
    "GELU",
    "SiLU",
    "Mish",
    "Hardswish",
    "Hardsigmoid",
    "Hardtanh",
    "Sigmoid",
    "Tanh",
    "Softplus",
    "Softsign",
    "Softmax",
    "LogSoftmax",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "Flatten",
    "Unflatten",
    "Upsample",
    "ZeroPad2d",
    "ReflectionPad2d",
    "ReplicationPad2d",
    "PixelShuffle",
    "ChannelShuffle",
    "MultiheadAttention",
]
LAYERS: dict[str, type[nn.Module]] = {name: getattr(nn, name) for name in _TORCH_NN}
_TORCHVISION = {"StochasticDepth": "torchvision.ops.stochastic_depth"}  # looked up only for networks that have it
_NOT_ARGUMENTS = {"self", "device", "dtype", "args", "kwargs", "size", "scale_factor"}


def describe_layer(name: str, module: nn.Module) -> dict[str, Any]:
    """Class name and constructor arguments of a layer, read off its attributes."""
    kind = type(module).__name__
    cls = layer_class(kind) if type(module).__module__ == _TORCHVISION.get(kind) else LAYERS.get(kind)
    if cls is not type(module):
        raise ModelError(
            f"layer {name!r} is a {type(module).__name__}, which an artifact cannot hold: build the network from torch.nn layers, or save "
            "its state_dict yourself"
        )
    arguments: dict[str, Any] = {}
    for parameter in _parameters(cls):
        value = _argument(module, parameter)
        if value is not _ABSENT:
            arguments[parameter] = value
    return {"class": kind, "arguments": arguments}


_ABSENT = object()


def _argument(module: nn.Module, name: str) -> Any:
    if isinstance(module, nn.MultiheadAttention):
        special = {"bias": module.in_proj_bias is not None, "add_bias_kv": module.bias_k is not None}
        if name in special:
            return special[name]
    value = getattr(module, name, _ABSENT)
    if name == "bias" and (value is None or isinstance(value, Tensor)):
        return value is not None
    if name == "init":  # PReLU's start value; the weights replace it
        return _ABSENT
    return value


def layer_class(kind: Any) -> type[nn.Module] | None:
    """The class that an artifact means by ``kind``; None where it is not allowed.

    Raises:
        ModelError: it is torchvision's, which is not installed.
    """
    if not isinstance(kind, str):
        return None
    return torchvision_part(_TORCHVISION[kind], kind) if kind in _TORCHVISION else LAYERS.get(kind)


def _parameters(cls: type[nn.Module]) -> list[str]:
    """Names of the constructor arguments that an artifact holds: neither device nor dtype, which the weights bring."""
    names = inspect.signature(cls.__init__).parameters
    upsample = ("size", "scale_factor") if cls is nn.Upsample else ()
    return [name for name in names if name not in _NOT_ARGUMENTS or name in upsample]


def make_layer(name: str, description: dict[str, Any]) -> nn.Module:
    """Make the layer that `describe_layer` described; anything not in the list of layers, or no plain argument of it, is refused."""
    kind = description.get("class")
    cls = layer_class(kind)
    if cls is None:
        raise ModelError(
            f"the artifact's layer {name!r} is of class {kind!r}, which is not allowed: it was changed, or made by a newer version"
        )
    arguments, known = description["arguments"], _parameters(cls)
    for argument, value in arguments.items():
        if argument not in known or not _plain(value):
            raise ModelError(
                f"the artifact's layer {name!r} ({kind}) has the argument {argument!r}, which is not allowed: it was changed"
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a layer of no channels is refused by its weights
            return cls(**arguments)
    except Exception as error:  # torch's constructors raise a dozen kinds on numbers that make no sense
        raise ModelError(
            f"the artifact's layer {name!r} ({kind}) cannot be made from its description: {str(error)[:200]}"
        ) from error


def _plain(value: Any) -> bool:
    """Whether a constructor argument is a number, a text, nothing, or a short list of those (or of pairs: Unflatten's)."""
    if isinstance(value, list | tuple):
        return len(value) <= _LONGEST and all(
            _scalar(v) or (isinstance(v, list | tuple) and len(v) <= _LONGEST and all(map(_scalar, v))) for v in value
        )
    return _scalar(value)


def _scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


_LONGEST = 16  # numbers in one argument: dimensions of a shape at most
