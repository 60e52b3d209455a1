"""The gated parameters: what dies with a unit on the side that produces it, and which rows belong to which unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.unit import FilterGroup, FilterMask, Member


@dataclass(frozen=True, eq=False)
class GatedParameter:
    """A parameter whose rows (slices along dim 0) belong to units.

    Attributes:
        name: qualified name of the parameter inside the network.
        size: length of dim 0.
        rows: bool ``[size]``, True where a unit owns the row; None when units own all of them.
        units: rows of each unit, int64 ``[units, width]``, keyed by group name.
    """

    name: str
    size: int
    rows: Tensor | None
    units: Mapping[str, Tensor] = field(repr=False)

    def kept(self, mask: FilterMask) -> Tensor:
        """The gates ``m`` by row: bool ``[size]``, False for the rows of removed units; a group not in the mask is kept."""
        kept = torch.ones(self.size, dtype=torch.bool)
        for group, index in self.units.items():
            if group in mask.keep:
                kept[index[~mask.keep[group].cpu()].flatten()] = False
        return kept

    def column(self, rows: Tensor, like: Tensor) -> Tensor:
        """``rows`` ``[size]`` as a factor ``[size, 1, ...]`` that broadcasts against ``like``, in its dtype and device."""
        return rows.to(like.device, like.dtype).view(-1, *(1,) * (like.ndim - 1))

    def owned(self, like: Tensor) -> Tensor | None:
        """``rows`` as a factor against ``like``, or None when units own every row."""
        return None if self.rows is None else self.column(self.rows, like)


def gated_parameters(model: nn.Module, groups: Sequence[FilterGroup]) -> dict[str, GatedParameter]:
    """The parameters that ADMM splits, keyed by qualified name, in the network's order.

    For each member on the ``"out"`` axis: filter weights, bias, norm scale and shift; never running statistics.  The norm
    belongs to it because behind a norm the scale of the filters means nothing (design: method.md section 6).  A parameter
    that two modules share is listed once; frozen parameters cannot follow and are left out.

    Raises:
        ModelError: a group names a layer that the network does not have.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found: dict[str, tuple[nn.Parameter, dict[str, list[Tensor]]]] = {}
    for group in groups:
        for member in group.members:
            if member.axis != "out":
                continue
            for parameter in _parameters(model, member):
                if parameter.requires_grad and id(parameter) in names:
                    units = found.setdefault(names[id(parameter)], (parameter, {}))[1]
                    units.setdefault(group.name, []).append(member.index.cpu())
    order = [name for name in names.values() if name in found]
    return {name: _gated(name, *found[name]) for name in order}


def _gated(name: str, parameter: nn.Parameter, units: Mapping[str, list[Tensor]]) -> GatedParameter:
    size = parameter.shape[0]
    rows = torch.zeros(size, dtype=torch.bool)
    joined = {group: torch.cat(index, dim=1) for group, index in units.items()}
    for group, index in joined.items():
        if int(index.max()) >= size:
            raise ModelError(
                f"group {group!r} indexes row {int(index.max())} of {name!r}, which has {size}: find the groups of this network"
            )
        rows[index.flatten()] = True
    return GatedParameter(name, size, None if bool(rows.all()) else rows, joined)


def _parameters(model: nn.Module, member: Member) -> list[nn.Parameter]:
    """Parameters of the member whose dim 0 is the gated axis."""
    try:
        if (module := dict(model.named_modules()).get(member.layer)) is not None:
            own = (getattr(module, "weight", None), getattr(module, "bias", None))
            return [p for p in own if isinstance(p, nn.Parameter)]
        if member.layer in dict(model.named_buffers()):
            return []
        parameter = model.get_parameter(member.layer)
    except AttributeError as error:
        raise ModelError(
            f"a group names layer {member.layer!r}, which the network does not have: find the groups of this network"
        ) from error
    return [parameter] if parameter.shape[0] > 1 else []
