"""Find the units of a network: every set of channels that can only be removed together."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor, fx, nn

from easiedge.errors import ModelError
from easiedge.model import operations
from easiedge.model.graph import evaluating, trace, two_images
from easiedge.model.labels import FIXED, LabelPropagation, varying
from easiedge.unit import Axis, FilterGroup, Member

Parts = list[tuple[str, Axis, list[int]]]  # (layer, axis, channels) of one unit
Signature = tuple[tuple[str, Axis, int], ...]  # units with the same layers, axes and widths form a group


def find_groups(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]) -> list[FilterGroup]:
    """All prunable groups of ``model``, in forward order.

    Plain filters, residual streams, depthwise partners, concatenations and linear neurons are found by following every
    channel through the traced forward (`easiedge.model.labels`).  The network's inputs and outputs are never part of a
    group, nor are channels that flow into an operation easiedge does not know (attention, layer norm over channels, ...).
    A convolution group of a grouped convolution is one unit.

    Args:
        model: any network that `torch.fx` can trace; it is left as it was.
        example_inputs: a batch of inputs, ``[batch, ...]``.

    Raises:
        ModelError: the network cannot be traced or run, or has nothing to prune.
    """
    return analyse(model, example_inputs)[1]


def analyse(
    model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]
) -> tuple[LabelPropagation, list[FilterGroup]]:
    """The labelled graph and the groups read off it; `shrink` needs both."""
    traced = trace(model)
    walk = LabelPropagation(traced)
    with evaluating(model), evaluating(traced), torch.no_grad():
        try:
            walk.run(*two_images(model, example_inputs))
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0][:200]
            raise ModelError(
                f"{type(model).__name__} does not run on the example inputs ({first}): give inputs of the shape the network expects"
            ) from error
    _check_weights(walk)
    gates = _gates(walk)
    groups = _groups(walk, gates)
    if not groups:
        why = "; ".join(f"{node}: {reason}" for node, reason in list(walk.reasons.items())[:3])
        raise ModelError(
            f"{type(model).__name__} has nothing to prune: every channel is fixed ({why or 'no hidden layer'})"
        )
    return walk, groups


def _check_weights(walk: LabelPropagation) -> None:
    """Fix layers that share a parameter with another one; refuse weights that are computed before each forward.

    Raises:
        ModelError: a layer under weight norm or a mask of torch.nn.utils.
    """
    owner: dict[int, str] = {}
    for layer in dict.fromkeys(layer for layer, _ in walk.members):
        module = walk.modules.get(layer)
        if module is None:
            continue
        if isinstance(getattr(module, "weight", None), Tensor) and "weight" not in module._parameters:
            raise ModelError(
                f"layer {layer!r} computes its weight anew before each forward (weight norm, torch.nn.utils.prune): make it permanent first"
            )
        for parameter in module.parameters(recurse=False):
            first = owner.setdefault(id(parameter), layer)
            if first != layer:
                tied = [labels for (name, _), labels in walk.members.items() if name in (first, layer)]
                walk.fix(tied, walk.first_call[layer], f"it shares a parameter with {first}")


def _gates(walk: LabelPropagation) -> set[str]:
    """Layers whose output needs a gate so that gate 0 equals removal; fixes labels where no gate could do it.

    A reader (convolution, linear layer) must see zero on removed channels.  That demand travels backwards through what keeps
    zero at zero (sums, pools, ReLU) until a layer can be gated.  Behind a norm nothing is demanded of what is before it.
    """
    need: dict[fx.Node, bool] = defaultdict(bool)
    gates: set[str] = set()
    for n in reversed(list(walk.traced.graph.nodes)):
        kind = operations.kind(n, walk.modules)
        sources = n.all_input_nodes
        if kind in ("conv", "linear", "norm"):
            if need[n]:
                gates.add(str(n.target))
            if kind != "norm" and not operations.is_depthwise(walk.modules[str(n.target)]):
                need[sources[0]] = True
        elif not need[n] or not sources:
            if need[n] and n.op == "get_attr":
                walk.fix(walk.labels[n], n, "a parameter is added to it")
        elif kind == "elementwise":
            if operations.keeps_zero(n, walk.modules):
                need[sources[0]] = True
            else:
                walk.fix(walk.labels[n], n, "a function that does not keep zero at zero lies before the next layer")
        elif kind == "quotient" and not isinstance(n.args[0], fx.Node):
            walk.fix(walk.labels[n], n, "a constant is divided by it")
        elif kind in ("product", "quotient"):
            first = (
                sources[0]
                if kind == "quotient"
                else max(sources, key=lambda a: walk.shapes.get(a, torch.Size()).numel())
            )
            need[first] = True
        elif kind == "sum":
            if any(isinstance(a, int | float) for key, a in [*enumerate(n.args), *n.kwargs.items()] if key != "alpha"):
                walk.fix(walk.labels[n], n, "a constant is added to it")
            if any(_broadcast(walk, a, n) for a in sources):
                walk.fix(walk.labels[n], n, "one channel is added to all of it")
            for a in sources:
                need[a] = True
        elif kind in ("shape", "pool", "reduction", "pad"):
            for a in sources:
                need[a] = True
    return gates


def _broadcast(walk: LabelPropagation, operand: fx.Node, n: fx.Node) -> bool:
    """Whether an operand of a sum has one channel where the sum has many."""
    if operand not in walk.shapes:
        return False
    shape = [1] * (len(walk.shapes[n]) - len(walk.shapes[operand])) + list(walk.shapes[operand])
    return any(shape[d] != walk.shapes[n][d] for d in varying(walk.labels[n]))


def _groups(walk: LabelPropagation, gates: set[str]) -> list[FilterGroup]:
    by_signature: dict[Signature, list[Parts]] = defaultdict(list)
    for parts in _units(walk):
        produces = any(axis == "out" and walk.kinds[layer] in ("conv", "linear") for layer, axis, _ in parts)
        gated = any(axis == "out" and layer in gates for layer, axis, _ in parts)
        if produces and gated:
            by_signature[tuple((layer, axis, len(channels)) for layer, axis, channels in parts)].append(parts)
    groups: list[FilterGroup] = []
    for signature, units in by_signature.items():
        units.sort(key=lambda parts: parts[0][2])
        members = tuple(
            Member(layer, axis, torch.tensor([parts[m][2] for parts in units]))
            for m, (layer, axis, _) in enumerate(signature)
        )
        kinds = {m.layer: walk.kinds[m.layer] for m in members}
        first = next(m.layer for m in members if m.axis == "out" and kinds[m.layer] in ("conv", "linear"))
        same = sum(g.layers[0] == first for g in groups)
        name = first if same == 0 else f"{first}#{same + 1}"
        behind = tuple(m.layer for m in members if m.axis == "out" and m.layer in gates)
        groups.append(FilterGroup(name, len(units), members, behind, kinds))
    order = {layer: i for i, (layer, _) in enumerate(walk.members)}
    return sorted(groups, key=lambda g: order[g.layers[0]])


def _units(walk: LabelPropagation) -> list[Parts]:
    """For each unit that may go, its channels in every member layer, in forward order."""
    unit_of = components(walk)
    parts: dict[int, Parts] = defaultdict(list)
    for (layer, axis), labels in walk.members.items():
        found: dict[int, list[int]] = defaultdict(list)
        for channel, unit in enumerate(unit_of[labels.numpy()].tolist()):
            found[unit].append(channel)
        for unit, channels in found.items():
            if unit != unit_of[FIXED]:
                parts[unit].append((layer, axis, channels))
    return list(parts.values())


def components(walk: LabelPropagation) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The unit each label belongs to, ``[labels]``."""
    pairs = torch.cat(walk.same).numpy() if walk.same else np.zeros((0, 2), dtype=np.int64)
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(walk.count, walk.count))
    return np.asarray(connected_components(graph, directed=False)[1])
