"""A network as it is evaluated: batch norms merged into the convolutions before them, nothing in place, channels last.

    norm(conv(x)) = (s W) * x + (b - mean) s + shift        s = scale / sqrt(var + eps), per output channel

The merged network computes the same, to rounding, in fewer passes over its activations, and every intermediate value stays as
it was computed, so that gradients can be read off it (`easiedge.scoring.gate_gradients`).
"""

from __future__ import annotations

import copy
import operator

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from easiedge.errors import ModelError
from easiedge.model.graph import evaluating, trace
from easiedge.model.logits import class_logits
from easiedge.model.operations import in_place, inplace_position

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_OUT_OF_PLACE = {
    operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul, operator.itruediv: operator.truediv,
}  # fmt: skip


def tolerance(dtype: torch.dtype) -> float:
    """How far rounding may move outputs of this dtype, relative to the largest: 1e-3, more in half precision."""
    return max(1e-3, 16 * torch.finfo(dtype).eps)


def merged(model: nn.Module) -> fx.GraphModule:
    """A copy of ``model`` in eval mode with frozen weights; layer names stay, a merged norm is an identity under its name.

    A norm stays where its convolution has other readers, runs more than once, or carries hooks.

    Raises:
        ModelError: the forward cannot be traced.
    """
    traced = copy.deepcopy(trace(model)).eval().requires_grad_(False)
    _merge_norms(traced)
    modules = dict(traced.named_modules(remove_duplicate=False))
    for n in list(traced.graph.nodes):
        if n.op in ("call_module", "call_function", "call_method") and in_place(n, modules):
            _read_after(n)
            _put_out_of_place(n)
        if n.op == "call_method" and n.target == "view" and not any(isinstance(a, torch.dtype) for a in n.args):
            n.target = "reshape"  # channels last, a view may be impossible
    for module in modules.values():
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]
    traced.recompile()
    return traced.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@torch.no_grad()
def check_merged(model: nn.Module, network: nn.Module, x: Tensor) -> None:
    """Raise unless ``network``, merged from ``model``, says the same on the first two images of ``x``.

    Raises:
        ModelError: it does not: the forward changes values in place in a way that cannot be followed.
    """
    with evaluating(model):
        wanted, found = class_logits(model(x[:2].clone())), class_logits(network(x[:2].clone()))
    if wanted is None or found is None or not bool(torch.isfinite(wanted).all()):
        return  # said elsewhere, in better words
    difference = float((wanted - found).abs().max())
    if not difference <= tolerance(wanted.dtype) * max(float(wanted.abs().max()), 1e-12):
        raise ModelError(
            f"{type(model).__name__} cannot be scored: without operations in place its outputs differ by {difference:.2g}; write "
            "assignments to slices and operations such as x.add_(y) on views out of place"
        )


def _read_after(n: fx.Node) -> None:
    """Whoever reads, later on, what ``n`` changes in place reads the result of ``n``."""
    source = n.args[0] if n.args else None
    if isinstance(source, fx.Node):
        later, node = set(), n.next
        while node.op != "root":
            later.add(node)
            node = node.next
        source.replace_all_uses_with(n, delete_user_cb=lambda user: user in later)


def _put_out_of_place(n: fx.Node) -> None:
    if n.op == "call_method":
        plain = str(n.target).removesuffix("_")
        if hasattr(Tensor, plain):
            n.target = plain
        return
    if n.op != "call_function":
        return
    n.target = _OUT_OF_PLACE.get(n.target, n.target)  # type: ignore[arg-type]
    name = getattr(n.target, "__name__", "")
    if name.endswith("_") and not name.startswith("_") and hasattr(torch, name[:-1]):
        n.target = getattr(torch, name[:-1])
    if n.kwargs.get("inplace"):
        n.kwargs = {**n.kwargs, "inplace": False}
    at = inplace_position(n.target)
    if at is not None and len(n.args) > at and n.args[at] is True:
        n.args = (*n.args[:at], False, *n.args[at + 1 :])


def _merge_norms(traced: fx.GraphModule) -> None:
    modules = dict(traced.named_modules(remove_duplicate=False))
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
