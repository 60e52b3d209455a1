"""Which layers are refitted, and the place in the network where each is compared with the dense one.

A layer is compared at its own output, before its norm.  Where it is added to a stream, the place is behind the sum: the layer
then also makes up for what the other operand has lost so far,

    norm(y) + other = s      gives the target      y = (s - other - shift) * root(var + eps) / scale + mean

with s the sum in the dense network and other the other operand in the network compensated so far.
"""

from __future__ import annotations

import logging
import operator
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from easiedge.model.labels import LabelPropagation
from easiedge.model.operations import CHANNEL_NORMS, CONVOLUTIONS

LAYERS = (*CONVOLUTIONS, nn.Linear)
SMALLEST_SCALE = 1e-2  # of the layer's median: a norm that scales less than this hides the layer from the sum
_PLAIN_SUMS = {operator.add, operator.iadd, torch.add, "add", "add_"}
_IN_PLACE = {"iadd", "isub", "imul", "itruediv", "setitem"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """A layer that is refitted.

    Attributes:
        layer: its name in the network.
        calls: names of the nodes that call it; more than one where it is used in several places at once.
        sources: names of the nodes it reads, one a call.
        norm: the batch norm that follows it and nothing else, if any: its running mean takes up a missing bias.
        total, other: the sum behind layer and norm, and its other operand; None where it is not added to anything.
    """

    layer: str
    calls: tuple[str, ...]
    sources: tuple[str, ...]
    norm: str | None = None
    total: str | None = None
    other: str | None = None


def find_places(walk: LabelPropagation, sums: bool = True) -> list[Place]:
    """Every layer that can be refitted, in forward order of the first call.

    A layer that is called several times is refitted once for all its calls; where one call's input depends on another call,
    no single solution is right for both, and the layer keeps its weights, as does one that shares a parameter with another
    layer.  A log line names those.
    """
    nodes = list(walk.traced.graph.nodes)
    before = _ancestors(nodes)
    calls: dict[str, list[fx.Node]] = defaultdict(list)
    for n in nodes:
        if n not in before[nodes[-1]]:
            continue  # nothing reads it
        if n.op == "call_module" and isinstance(walk.modules[str(n.target)], LAYERS):
            calls[str(n.target)].append(n)
    shared = _share_parameters(walk)
    places, left = [], []
    for layer, uses in calls.items():
        if layer in shared or any(a in before[b] for a in uses for b in uses):
            left.append(layer)
            continue
        names, sources = tuple(n.name for n in uses), tuple(n.all_input_nodes[0].name for n in uses)
        if len(uses) > 1:
            places.append(Place(layer, names, sources))
            continue
        norm = _norm_behind(uses[0], walk)
        total, other = _sum_behind(norm or uses[0], uses[0], walk, before) if sums else (None, None)
        places.append(Place(layer, names, sources, str(norm.target) if norm else None, total, other))
    if left:
        _log.warning(
            "compensation leaves %s as they are: they are called again on what depends on them, or share a parameter",
            ", ".join(left),
        )
    return places


def _share_parameters(walk: LabelPropagation) -> set[str]:
    owners: dict[int, list[str]] = defaultdict(list)
    for name, module in walk.modules.items():
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)].append(name)
    return {name for names in owners.values() if len(names) > 1 for name in names}


def _ancestors(nodes: list[fx.Node]) -> dict[fx.Node, set[fx.Node]]:
    result: dict[fx.Node, set[fx.Node]] = {}
    for n in nodes:
        result[n] = set().union(*(result[a] | {a} for a in n.all_input_nodes)) if n.all_input_nodes else set()
    return result


def _norm_behind(call: fx.Node, walk: LabelPropagation) -> fx.Node | None:
    if len(call.users) != 1:
        return None
    user = next(iter(call.users))
    if user.op != "call_module" or not isinstance(walk.modules[str(user.target)], CHANNEL_NORMS[:3]):
        return None
    calls = Counter(str(n.target) for n in walk.traced.graph.nodes if n.op == "call_module")
    norm = walk.modules[str(user.target)]
    return user if norm.running_mean is not None and calls[str(user.target)] == 1 else None


def _sum_behind(
    end: fx.Node, call: fx.Node, walk: LabelPropagation, before: dict[fx.Node, set[fx.Node]]
) -> tuple[str, str] | tuple[None, None]:
    """The sum that reads ``end`` alone, and its other operand, where that can be known before ``call`` runs."""
    user = next(iter(end.users)) if len(end.users) == 1 else None
    if user is None or user.op == "call_module" or user.target not in _PLAIN_SUMS or user.kwargs or len(user.args) != 2:
        return None, None
    operands: list[Any] = [a for a in user.args if a is not end]
    if len(operands) != 1 or not isinstance(operands[0], fx.Node):
        return None, None
    other = operands[0]
    if not walk.shapes.get(other) == walk.shapes.get(user) == walk.shapes.get(call):
        return None, None
    ahead = {n for n in before[other] | {other} if call < n}
    if call in before[other] or any(_in_place(n, walk) for n in ahead):
        return None, None
    return user.name, other.name


def _in_place(n: fx.Node, walk: LabelPropagation) -> bool:
    if n.op == "call_module":
        return bool(getattr(walk.modules[str(n.target)], "inplace", False))
    name = getattr(n.target, "__name__", str(n.target))
    return name.endswith("_") or name in _IN_PLACE or True in (*n.args, *n.kwargs.values())


def before_sum(norm: nn.Module | None, remainder: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer must say so that its norm says ``remainder`` ``[rows, channels]``, and in which channels it can."""
    if norm is None:
        return remainder, torch.ones(remainder.shape[1], dtype=torch.bool, device=remainder.device)
    assert isinstance(norm.running_var, Tensor) and isinstance(norm.running_mean, Tensor)
    scale = (norm.running_var + norm.eps).rsqrt() * (norm.weight if norm.weight is not None else 1.0)  # type: ignore[operator]
    seen = scale.abs() > SMALLEST_SCALE * scale.abs().median()
    shift = norm.bias if norm.bias is not None else 0.0
    return (remainder - shift) / torch.where(seen, scale, 1.0) + norm.running_mean, seen  # type: ignore[operator]
