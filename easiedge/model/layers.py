"""The layers an artifact may name, and the arguments that make each of them again."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from easiedge.errors import ModelError

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
LAYERS: dict[str, type[nn.Module]] = {name: getattr(nn, name) for name in _TORCH_NN} | {
    "StochasticDepth": StochasticDepth
}
_NOT_ARGUMENTS = {"self", "device", "dtype", "args", "kwargs", "size", "scale_factor"}


def describe_layer(name: str, module: nn.Module) -> dict[str, Any]:
    """Class name and constructor arguments of a layer, read off its attributes."""
    kind = next((k for k, cls in LAYERS.items() if type(module) is cls), None)
    if kind is None:
        raise ModelError(
            f"layer {name!r} is a {type(module).__name__}, which an artifact cannot hold: build the network from torch.nn layers, or save "
            "its state_dict yourself"
        )
    arguments: dict[str, Any] = {}
    for parameter in inspect.signature(LAYERS[kind].__init__).parameters:
        if parameter in _NOT_ARGUMENTS and not (kind == "Upsample" and parameter in ("size", "scale_factor")):
            continue
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


def make_layer(name: str, description: dict[str, Any]) -> nn.Module:
    """Make the layer that `describe_layer` described; anything not in the list of layers is refused."""
    kind = description.get("class")
    if kind not in LAYERS:
        raise ModelError(
            f"the artifact's layer {name!r} is of class {kind!r}, which is not allowed: it was changed, or made by a newer version"
        )
    try:
        return LAYERS[kind](**description["arguments"])
    except (TypeError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise ModelError(
            f"the artifact's layer {name!r} ({kind}) cannot be made from its description: {error}"
        ) from error
