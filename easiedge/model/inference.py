"""A network as it is evaluated: batch norms merged into the convolutions before them, nothing in place, channels last.

    norm(conv(x)) = (s W) * x + (b - mean) s + shift        s = scale / sqrt(var + eps), per output channel

The merged network computes the same, to rounding, in fewer passes over its activations, and every intermediate value stays as
it was computed, so that gradients can be read off it (`easiedge.scoring.gate_gradients`).
"""

from __future__ import annotations

import copy
import operator

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from easiedge.model.graph import trace

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_OUT_OF_PLACE = {
    operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul, operator.itruediv: operator.truediv,
}  # fmt: skip
_METHODS = {
    "add_": "add",
    "sub_": "sub",
    "mul_": "mul",
    "div_": "div",
    "relu_": "relu",
    "clamp_": "clamp",
    "sigmoid_": "sigmoid",
}


def merged(model: nn.Module) -> fx.GraphModule:
    """A copy of ``model`` in eval mode with frozen weights; layer names stay, a merged norm is an identity under its name.

    A norm stays where its convolution has other readers, runs more than once, or carries hooks.

    Raises:
        ModelError: the forward cannot be traced.
    """
    traced = copy.deepcopy(trace(model)).eval().requires_grad_(False)
    _merge_norms(traced)
    for module in traced.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]
    for n in traced.graph.nodes:
        if n.op == "call_function":
            n.target = _OUT_OF_PLACE.get(n.target, n.target)
            if n.kwargs.get("inplace"):
                n.kwargs = {**n.kwargs, "inplace": False}
        elif n.op == "call_method":
            n.target = _METHODS.get(str(n.target), n.target)
            if n.target == "view" and not any(isinstance(a, torch.dtype) for a in n.args):
                n.target = "reshape"  # channels last, a view may be impossible
    traced.recompile()
    return traced.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _merge_norms(traced: fx.GraphModule) -> None:
    modules = dict(traced.named_modules())
    calls = [str(n.target) for n in traced.graph.nodes if n.op == "call_module"]
    for n in traced.graph.nodes:
        source = n.args[0] if n.op == "call_module" and n.args else None
        if not isinstance(source, fx.Node) or source.op != "call_module" or len(source.users) > 1:
            continue
        conv, norm = modules[str(source.target)], modules[str(n.target)]
        if not isinstance(conv, _CONVOLUTIONS) or not isinstance(norm, _NORMS) or norm.running_mean is None:
            continue
        if calls.count(str(source.target)) > 1 or calls.count(str(n.target)) > 1 or _hooked(conv) or _hooked(norm):
            continue
        if norm.weight is None:
            continue
        traced.set_submodule(str(source.target), fuse_conv_bn_eval(conv, norm))
        traced.set_submodule(str(n.target), nn.Identity())


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)
