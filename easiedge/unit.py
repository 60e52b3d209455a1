"""The values that are handed from stage to stage: groups of units, their scores, the mask, the budget.

A *unit* is what one gate removes: one output channel of a layer and everything that must go with it (its norm's scale,
shift and running statistics, its bias, the matching input slices of every reader, the tied channels of residual and
depthwise partners).  A *group* is all units of one set of tied layers.  See ``design: method.md`` section 1.

All values are frozen; tensors are keyed by group name, never by position.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

import torch
from torch import Tensor

from easiedge.errors import BudgetError, EasiEdgeError

Axis = Literal["out", "in"]


LOSSES = frozenset(
    {
        "information_gain",
        "taylor_information_gain",
        "joint_information_gain",
        "squared_taylor",
        "optimal_brain_damage",
        "optimal_brain_surgeon",
    }
)
"""Criteria whose scores are estimates of what is lost with a unit, all in one measure; the others only tell more from less important."""


@dataclass(frozen=True, eq=False)
class Member:
    """One layer's part in a group: which of its channels belong to which unit.

    Attributes:
        layer: qualified name of the module (or of a bare parameter) inside the network.
        axis: ``"out"`` for channels the layer produces or scales, ``"in"`` for channels it reads.
        index: int64 ``[units, width]``; ``index[i]`` are the channels of ``layer`` along ``axis`` that belong to unit
            ``i``.  ``width`` is 1 for plain convolutions, ``height * width`` behind a flatten, the channels of a
            convolution group for grouped convolutions.
    """

    layer: str
    axis: Axis
    index: Tensor

    @property
    def width(self) -> int:
        """Channels of this layer that one unit holds."""
        return int(self.index.shape[1])


@dataclass(frozen=True, eq=False)
class FilterGroup:
    """All units of one set of tied layers.

    Attributes:
        name: the first layer that produces the group's channels.
        size: number of units.
        members: every layer that loses channels when a unit goes, with the channels.
        gates: names of the layers behind which a gate multiplies the group's channels; gate 0 there equals removal.
        kinds: what each member layer is (``"conv"``, ``"linear"``, ``"norm"``, ``"param"``), keyed by layer.
    """

    name: str
    size: int
    members: tuple[Member, ...]
    gates: tuple[str, ...]
    kinds: Mapping[str, str] = field(repr=False)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the convolutions and linear layers whose filters the group holds, in forward order."""
        return tuple(m.layer for m in self.members if m.axis == "out" and self.kinds[m.layer] in ("conv", "linear"))

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of the layers that read the group's channels, in forward order."""
        return tuple(m.layer for m in self.members if m.axis == "in")

    def produced(self, layer: str) -> Tensor:
        """Channels ``[units, width]`` that ``layer`` produces for each unit."""
        for member in self.members:
            if member.layer == layer and member.axis == "out":
                return member.index
        raise KeyError(layer)

    def __repr__(self) -> str:
        """Name, size and layers, short enough for a list of groups."""
        return f"FilterGroup({self.name!r}, size={self.size}, layers={list(self.layers)})"


@dataclass(frozen=True, eq=False)
class Interaction:
    """The quadratic form behind a joint score: ``IG(S) = 0.5 * 1_S' F 1_S - g' 1_S`` in nats.

    Columns are the units of ``names`` one after the other.  One of the two storage forms is present.

    Attributes:
        names: group names in column order.
        gradient: ``g`` ``[units]``, mean derivative of the information gain by each gate (zero at the tutor).
        fisher: ``F`` ``[units, units]``, or None.
        rows: ``G`` ``[rows, units]`` with ``F = G' G`` (already divided by the root of the sample count), or None.
        readjust: damping with which the gates that stay are readjusted when units are chosen; 0 for gates that stay as they are.
    """

    names: tuple[str, ...]
    gradient: Tensor
    fisher: Tensor | None = None
    rows: Tensor | None = None
    readjust: float = 0.0

    def diagonal(self) -> Tensor:
        """Diagonal of ``F``, ``[units]``."""
        if self.fisher is not None:
            return self.fisher.diagonal()
        assert self.rows is not None
        return self.rows.square().sum(0)

    def columns(self, units: Tensor) -> Tensor:
        """Columns ``units`` of ``F`` as rows, ``[len(units), units]`` (``F`` is symmetric)."""
        if self.fisher is not None:
            return self.fisher[units]
        assert self.rows is not None
        return self.rows[:, units].T @ self.rows


@dataclass(frozen=True, eq=False)
class FilterScores:
    """The importance of every unit; the units with the lowest values go first, held against what they cost where scores are losses.

    Attributes:
        values: score ``[size]`` of each group, float64 on the CPU.
        criterion: name of the criterion that made them.
        interaction: how units act together, where the criterion knows it; the projection then goes by it.
    """

    values: Mapping[str, Tensor]
    criterion: str
    interaction: Interaction | None = None

    @property
    def are_losses(self) -> bool:
        """Whether scores are what is lost with a unit, so that they can be added up and weighed against costs."""
        return self.criterion in LOSSES

    def __post_init__(self) -> None:
        """Refuse scores that are not numbers: a unit without a score must never be ranked."""
        for name, value in self.values.items():
            if value.ndim != 1 or not bool(torch.isfinite(value).all()):
                raise EasiEdgeError(
                    f"criterion {self.criterion!r} gave group {name!r} scores that are not one finite number per unit: "
                    "check the calibration batches and the weights for NaN or infinity"
                )


@dataclass(frozen=True, eq=False)
class FilterMask:
    """Which units stay.

    Attributes:
        keep: bool ``[size]`` of each group, True for a unit that stays.
    """

    keep: Mapping[str, Tensor]

    @classmethod
    def full(cls, groups: Iterable[FilterGroup]) -> FilterMask:
        """The mask that keeps everything."""
        return cls({g.name: torch.ones(g.size, dtype=torch.bool) for g in groups})

    def check(self, groups: Iterable[FilterGroup]) -> None:
        """Raise unless every group of the mask is known, has the right length, and keeps at least one unit."""
        sizes = {g.name: g.size for g in groups}
        for name, keep in self.keep.items():
            if name not in sizes:
                raise EasiEdgeError(
                    f"the mask names group {name!r}, which this network does not have: find_groups gives its groups"
                )
            if keep.dtype != torch.bool or tuple(keep.shape) != (sizes[name],):
                raise EasiEdgeError(
                    f"the mask of group {name!r} must be bool of shape [{sizes[name]}], not {keep.dtype} of shape {list(keep.shape)}"
                )
            if not bool(keep.any()):
                raise EasiEdgeError(f"the mask removes all {sizes[name]} units of group {name!r}: keep at least one")

    def kept(self) -> dict[str, int]:
        """Number of units that stay in each group."""
        return {name: int(keep.sum()) for name, keep in self.keep.items()}

    def share_removed(self) -> float:
        """Share of all units that go."""
        total = sum(k.numel() for k in self.keep.values())
        return 1.0 - sum(self.kept().values()) / total if total else 0.0

    def flipped(self, other: FilterMask) -> float:
        """Share of the gates that differ from ``other``."""
        total = sum(k.numel() for k in self.keep.values())
        return sum(int((k != other.keep[n]).sum()) for n, k in self.keep.items()) / total if total else 0.0


@dataclass(frozen=True)
class Budget:
    """How small the network must become; several limits may be given and all hold.

    Attributes:
        filters_removed: share in [0, 1) of all units of the groups that goes at least.
        params_removed: share in [0, 1) of the network's parameters that goes at least.
        macs_removed: share in [0, 1) of the network's multiply-accumulates per image that goes at least.
        latency_ms_max: milliseconds per image at most, on a device with a latency table.
        memory_mb_max: peak activation memory of one image at most, in megabytes of 10^6 bytes.
        artifact_mb_max: size of the saved network at most (weights and architecture), in megabytes of 10^6 bytes.
    """

    filters_removed: float | None = None
    params_removed: float | None = None
    macs_removed: float | None = None
    latency_ms_max: float | None = None
    memory_mb_max: float | None = None
    artifact_mb_max: float | None = None

    def __post_init__(self) -> None:
        """Refuse shares outside [0, 1) and limits that are not positive."""
        for name, value in self.asked().items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise BudgetError(f"budget.{name}={value!r} is not a number: give one, such as 0.5")
            if name.endswith("_removed") and not 0.0 <= value < 1.0:
                raise BudgetError(f"budget.{name}={value} is outside [0, 1): give the share to remove, 0.5 for half")
            if name.endswith("_max") and not 0.0 < value < math.inf:
                unit = name.split("_")[-2].replace("mb", "MB")
                raise BudgetError(f"budget.{name}={value} must be above zero and finite: give a limit in {unit}")

    def asked(self) -> dict[str, float]:
        """The limits that are given, by the names of the fields."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
