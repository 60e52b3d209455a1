"""Units that no one reads any more: where the zeros of a weight mask allow it, they are removed for real.

A unit is dead when every weight by which convolutions and linear layers read it is zero.  Then its gate can be closed without any change of
the network's output, and `shrink` takes it out.  What only a dead unit reads is dead too.  Zeros scattered over a matrix make no unit dead,
which is why weight pruning alone makes no network smaller.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn

from easiedge.surgery.shrink import shrink
from easiedge.unit import FilterGroup, FilterMask
from easiedge.weights.weight_mask import WeightMask


def dead_units(network: nn.Module, groups: Sequence[FilterGroup]) -> FilterMask:
    """Which units of ``network``, a plain one with zeros in its weights, are not dead; every group keeps at least one unit."""
    modules = dict(network.named_modules())
    names = {m.layer for g in groups for m in g.members if g.kinds[m.layer] in ("conv", "linear")}
    weights = {name: _weight(modules[name]).detach().clone() for name in names}
    alive = dict(FilterMask.full(groups).keep)
    settled = False
    while not settled:
        settled = True
        for group in groups:
            dead = ~_read(modules, weights, group) & alive[group.name]
            if bool(dead.any()):
                settled = False
                alive[group.name] = alive[group.name] & ~dead
                for layer in group.layers:
                    weights[layer][group.produced(layer)[dead].flatten().to(weights[layer].device)] = 0.0
    for keep in alive.values():
        keep[0] |= not bool(keep.any())
    return FilterMask(alive)


def _read(modules: dict[str, nn.Module], weights: dict[str, Tensor], group: FilterGroup) -> Tensor:
    """Which units some layer reads with a weight that is not zero, ``[units]``; all where that cannot be told."""
    read = torch.zeros(group.size, dtype=torch.bool)
    if not group.readers:
        return ~read
    for member in group.members:
        if member.axis != "in":
            continue
        if int(getattr(modules[member.layer], "groups", 1)) > 1:
            return torch.ones(group.size, dtype=torch.bool)
        used = (weights[member.layer] != 0).transpose(0, 1).flatten(1).any(1).cpu()  # by input channel
        read |= used[member.index].any(1)
    return read


def _weight(module: nn.Module) -> Tensor:
    assert isinstance(module.weight, Tensor)
    return module.weight


def without_dead_units(
    network: nn.Module, groups: Sequence[FilterGroup], example: Tensor
) -> tuple[fx.GraphModule, FilterMask]:
    """``network`` without its dead units, proved to compute the same, and which units stay."""
    mask = dead_units(network, groups)
    return shrink(network, groups, mask, example), mask


def mask_of_units(network: nn.Module, groups: Sequence[FilterGroup], units: FilterMask) -> WeightMask:
    """The weights that stay when units go: neither what makes a unit nor what reads it (Anwar et al.'s channel level)."""
    keep: dict[str, Tensor] = {}
    modules = dict(network.named_modules())
    for group in groups:
        gone = ~units.keep[group.name]
        for member in group.members:
            if group.kinds[member.layer] not in ("conv", "linear"):
                continue
            weight = _weight(modules[member.layer])
            own = keep.setdefault(member.layer, torch.ones(weight.shape, dtype=torch.bool))
            channels = member.index[gone].flatten()
            if member.axis == "out":
                own[channels] = False
            elif int(getattr(modules[member.layer], "groups", 1)) == 1:
                own[:, channels] = False
    return WeightMask(keep)
