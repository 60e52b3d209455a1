"""Remove the masked units for real: a physically smaller network that computes the same.

The network's traced graph is copied, each member layer keeps the slices of its parameters that belong to kept units, and
sizes written into the forward (``view(-1, 4096)``, ``chunk``, channel padding, slices) are rewritten where they changed.
Each rewrite is checked on channel labels, and the result against the masked network on the example inputs.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from easiedge.errors import EasiEdgeError
from easiedge.model import operations
from easiedge.model.filter_groups import analyse, components
from easiedge.model.graph import evaluating, two_images
from easiedge.model.labels import LabelPropagation
from easiedge.surgery.equivalence import prove_equivalence
from easiedge.surgery.rewrite import Rewriter
from easiedge.unit import Axis, FilterGroup, FilterMask


def shrink(
    model: nn.Module, groups: Sequence[FilterGroup], mask: FilterMask, example_inputs: Tensor | tuple[Tensor, ...]
) -> fx.GraphModule:
    """Return a new network without the units that ``mask`` removes; ``model`` is left as it was.

    The result is a `torch.fx.GraphModule` with the submodule names of ``model`` and no tie to its class: it trains,
    copies and saves like any module.

    Args:
        model: the network, or any copy of the one that ``groups`` were found on.
        groups: the groups that ``mask`` speaks about; groups left out are kept whole.
        mask: which units stay.
        example_inputs: a batch of inputs for tracing and for the proof of equivalence.

    Raises:
        EasiEdgeError: the mask does not fit, or a size in the forward cannot be rewritten.
        EquivalenceError: the result does not compute what the masked network computes.
    """
    compact = cut(analyse(model, example_inputs)[0], groups, mask, two_images(model, example_inputs), model.training)
    prove_equivalence(model, groups, mask, compact, [(two_images(model, example_inputs),)])
    return compact


def cut(
    walk: LabelPropagation,
    groups: Sequence[FilterGroup],
    mask: FilterMask,
    example_inputs: tuple[Tensor, ...],
    training: bool = False,
) -> fx.GraphModule:
    """`shrink` of the network that ``walk`` has followed, without the proof: for steps on the way to a result that is proved."""
    mask.check(groups)
    keep = kept_channels(walk, groups, mask)
    compact = copy.deepcopy(walk.traced)
    modules = dict(compact.named_modules())
    for layer in {layer for layer, _ in keep}:
        if layer in modules:
            _slice_module(modules[layer], keep.get((layer, "out")), keep.get((layer, "in")))
        else:
            _slice_parameter(compact, layer, keep[layer, "out"])
    with evaluating(compact), torch.no_grad():
        unit_of = torch.from_numpy(components(walk)).long()
        Rewriter(compact, walk, _kept_labels(walk, keep, unit_of), unit_of).run(*example_inputs)
    compact.graph.eliminate_dead_code()
    compact.delete_all_unused_submodules()
    compact.recompile()
    compact.training = training
    return compact


def kept_channels(
    walk: LabelPropagation, groups: Sequence[FilterGroup], mask: FilterMask
) -> dict[tuple[str, Axis], Tensor]:
    """Which channels stay, bool ``[channels]``, by (layer, axis), for every layer that loses any."""
    keep: dict[tuple[str, Axis], Tensor] = {}
    for group in groups:
        gone = ~mask.keep.get(group.name, torch.ones(group.size, dtype=torch.bool))
        for member in group.members:
            key = (member.layer, member.axis)
            if key not in walk.members:
                raise EasiEdgeError(
                    f"group {group.name!r} names layer {member.layer!r}, which this network does not have: find the groups on it anew"
                )
            if bool(gone.any()):
                keep.setdefault(key, torch.ones(len(walk.members[key]), dtype=torch.bool))[
                    member.index[gone].reshape(-1)
                ] = False
    return keep


def _kept_labels(walk: LabelPropagation, keep: dict[tuple[str, Axis], Tensor], unit_of: Tensor) -> Tensor:
    """Which labels stay, bool ``[labels]``: a unit's labels go together."""
    stays = torch.ones(int(unit_of.max()) + 1, dtype=torch.bool)
    for key, channels in keep.items():
        stays[unit_of[walk.members[key][~channels]]] = False
    return stays[unit_of]


def _slice_module(module: nn.Module, out: Tensor | None, read: Tensor | None) -> None:
    """Keep the rows ``out`` and the input slices ``read`` of a layer's parameters and buffers, and its declared sizes."""
    if isinstance(module, operations.CONVOLUTIONS) and module.groups > 1:
        assert out is not None
        per_group = module.out_channels // module.groups
        module.groups = int(out.sum()) // per_group
        module.in_channels = module.groups * module.weight.shape[1]
        read = None
    if out is not None:
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if tensor.ndim and tensor.shape[0] == len(out):
                _replace(module, name, tensor[out.to(tensor.device)])
        for name in ("out_channels", "out_features", "num_features", "num_parameters"):
            if hasattr(module, name):
                setattr(module, name, int(out.sum()))
    if read is not None:
        assert isinstance(module.weight, Tensor)
        _replace(module, "weight", module.weight[:, read.to(module.weight.device)])
        for name in ("in_channels", "in_features"):
            if hasattr(module, name):
                setattr(module, name, int(read.sum()))


def _slice_parameter(root: nn.Module, name: str, out: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    module = root.get_submodule(owner)
    tensor: Tensor = getattr(module, leaf)
    dim = next(d for d, size in enumerate(tensor.shape) if size == len(out))
    _replace(module, leaf, tensor.index_select(dim, out.nonzero()[:, 0].to(tensor.device)))


def _replace(module: nn.Module, name: str, value: Tensor) -> None:
    old: Any = getattr(module, name)
    value = value.detach().clone(memory_format=torch.preserve_format)
    setattr(
        module, name, nn.Parameter(value, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else value
    )
