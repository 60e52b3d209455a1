"""Groups of a network that has already lost some units, and the way back to the units of the dense network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from easiedge.unit import FilterGroup, FilterMask, Member


def restrict(groups: Sequence[FilterGroup], mask: FilterMask) -> list[FilterGroup]:
    """The groups of the network shrunk by ``mask``: same names and layers, kept units only, channels renumbered."""
    gone: dict[tuple[str, str], list[Tensor]] = {}
    for group in groups:
        for member in group.members:
            gone.setdefault((member.layer, member.axis), []).append(member.index[~mask.keep[group.name]].reshape(-1))
    lost = {key: torch.cat(parts).sort().values for key, parts in gone.items()}
    result = []
    for group in groups:
        keep = mask.keep[group.name]
        members = []
        for member in group.members:
            index = member.index[keep]
            below = torch.searchsorted(lost[member.layer, member.axis], index.contiguous())
            members.append(Member(member.layer, member.axis, index - below))
        result.append(FilterGroup(group.name, int(keep.sum()), tuple(members), group.gates, group.kinds))
    return result


def widen(mask: FilterMask, within: FilterMask) -> FilterMask:
    """Turn a mask over the kept units of ``within`` into a mask over all units."""
    keep = {}
    for name, outer in within.keep.items():
        full = outer.clone()
        full[outer] = mask.keep[name]
        keep[name] = full
    return FilterMask(keep)
