"""How far each group may shrink, whatever the budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from easiedge.errors import BudgetError
from easiedge.unit import FilterGroup

Array = NDArray[np.float64]
ROUNDING = 1e-9  # a share such as 0.3 of 10 units is 3 units, whatever its binary form


@dataclass(frozen=True)
class Floors:
    """How far each group may shrink.

    Attributes:
        min_units: units that every group keeps at least; a mapping sets single groups, the key ``"*"`` the others.
        max_ratio: largest share that any group may lose.
        round_to: every group keeps a multiple of this many units, or all (SIMD widths).
    """

    min_units: int | Mapping[str, int] = 1
    max_ratio: float = 1.0
    round_to: int = 1

    def __post_init__(self) -> None:
        """Refuse floors that cannot be read."""
        every = self.min_units.values() if isinstance(self.min_units, Mapping) else [self.min_units]
        for name, value in (*(("min_units", m) for m in every), ("round_to", self.round_to)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise BudgetError(f"{name}={value!r} must be a whole number of units, such as 8")
        if isinstance(self.max_ratio, bool) or not isinstance(self.max_ratio, int | float):
            raise BudgetError(f"max_ratio={self.max_ratio!r} must be a number: the largest share that a group may lose")
        if any(m < 1 for m in every):
            raise BudgetError(f"min_units={self.min_units} must be at least 1: a layer without units computes nothing")
        if not 0.0 <= self.max_ratio <= 1.0:
            raise BudgetError(
                f"max_ratio={self.max_ratio} is outside [0, 1]: give the largest share that a group may lose"
            )
        if self.round_to < 1:
            raise BudgetError(f"round_to={self.round_to} must be at least 1")

    def of(self, groups: Sequence[FilterGroup]) -> Array:
        """Smallest number of units that each group may keep ``[groups]``."""
        if isinstance(self.min_units, Mapping) and (unknown := set(self.min_units) - {g.name for g in groups} - {"*"}):
            raise BudgetError(
                f"min_units names unknown groups {sorted(unknown)}: the groups are {', '.join(g.name for g in groups)}"
            )
        return np.array([self._of(g) for g in groups], dtype=np.float64)

    def _of(self, group: FilterGroup) -> int:
        least = (
            self.min_units.get(group.name, self.min_units.get("*", 1))
            if isinstance(self.min_units, Mapping)
            else self.min_units
        )
        least = max(least, group.size - math.floor(group.size * self.max_ratio + ROUNDING), 1)
        return min(group.size, -(-least // self.round_to) * self.round_to)

    def __str__(self) -> str:
        """As on the command line."""
        return f"min_units={self.min_units}, max_ratio={self.max_ratio}, round_to={self.round_to}"
