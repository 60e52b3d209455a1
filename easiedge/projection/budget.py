"""From a budget to limits: what may stay, which units are protected, and what can be reached at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from easiedge.errors import BudgetError
from easiedge.model.cost import NetworkCost
from easiedge.unit import Budget, FilterGroup

Array = NDArray[np.float64]
_ROUNDING = 1e-9  # a share such as 0.3 of 10 units is 3 units, whatever its binary form


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
        least = max(least, group.size - math.floor(group.size * self.max_ratio + _ROUNDING), 1)
        return min(group.size, -(-least // self.round_to) * self.round_to)


@dataclass(frozen=True, eq=False)
class Limits:
    """A budget made concrete for one network.

    Attributes:
        cost: the cost of the network as a function of the units kept.
        most: largest value allowed for each of units, parameters, MACs ``[3]``; infinity where nothing is asked.
        floor: smallest number of units per group ``[groups]``.
        round_to: widths are multiples of this, or full.
    """

    cost: NetworkCost
    most: Array
    floor: Array
    round_to: int = 1

    def met(self, kept: Array) -> bool:
        """Whether the limits hold when each group keeps ``kept`` units ``[groups]``."""
        return bool((self.cost.totals(kept) <= self.most).all())

    def unmet(self, kept: Array) -> Array:
        """How much of each quantity must still go ``[3]``; zero where the limit holds."""
        return np.maximum(self.cost.totals(kept) - self.most, 0.0)

    def step(self, kept: Array) -> Array:
        """Units each group loses in its next step ``[groups]``: to the next lower allowed width; 0 at the floor."""
        lower = (np.ceil(kept / self.round_to) - 1) * self.round_to
        return kept - np.where(kept <= self.floor, kept, np.maximum(lower, self.floor))

    @property
    def units_only(self) -> bool:
        """Only the number of units is limited, and widths are free: an exact ranking is enough."""
        return bool(np.isinf(self.most[1:]).all()) and self.round_to == 1


def limits(budget: Budget, groups: Sequence[FilterGroup], cost: NetworkCost, floors: Floors) -> Limits:
    """Make ``budget`` concrete.

    Raises:
        BudgetError: the floors make the budget impossible; the message says what is reachable and names the groups.
    """
    shares = budget.shares()
    if not shares:
        raise BudgetError("the budget is empty: give filters_removed, params_removed or macs_removed, such as 0.5")
    dense = cost.dense
    most = np.full(3, np.inf)
    for i, quantity in enumerate(cost.QUANTITIES):
        if quantity in shares:
            total = dense[quantity]
            most[i] = total - math.ceil(shares[quantity] * total - _ROUNDING * max(total, 1))
    result = Limits(cost, most, floors.of(groups), floors.round_to)
    _check_reachable(result, budget, floors, groups)
    return result


def _check_reachable(result: Limits, budget: Budget, floors: Floors, groups: Sequence[FilterGroup]) -> None:
    least, dense = result.cost.totals(result.floor), result.cost.totals(result.cost.sizes)
    for i, quantity in enumerate(result.cost.QUANTITIES):
        if least[i] > result.most[i]:
            bound = sorted(zip(result.floor / result.cost.sizes, (g.name for g in groups), strict=True), reverse=True)
            names = ", ".join(f"{name} ({share:.0%} kept)" for share, name in bound[:5])
            raise BudgetError(
                f"budget.{quantity}_removed={budget.shares()[quantity]} is out of reach: with min_units={floors.min_units}, "
                f"max_ratio={floors.max_ratio}, round_to={floors.round_to} at most {1 - least[i] / dense[i]:.4f} can go; "
                f"the floors bind in {names}{' and others' if len(bound) > 5 else ''}: lower the budget or the floors"
            )
