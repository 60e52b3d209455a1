"""In which order the units of each group go, and what each costs in information: single scores or the joint form."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from easiedge.errors import EasiEdgeError
from easiedge.unit import FilterGroup, FilterMask, FilterScores

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]


class Order(Protocol):
    """The next units of every group, and the information lost with them.

    Attributes:
        alive: units that are left ``[units]``.
        starts: of each group among them, and their number at the end ``[groups + 1]``.
        power: of what a step pays, against which its loss is held (`easiedge.projection.ranking`); 0 where losses only rank.
    """

    alive: Bool
    starts: NDArray[np.int64]
    power: float

    def losses(self, steps: Array) -> Array:
        """Information lost when each group loses its next ``steps`` units ``[groups]``; infinity for steps of 0."""
        ...

    def remove(self, group: int, count: int) -> NDArray[np.int64]:
        """Remove the next ``count`` units of ``group``; returns their columns."""
        ...

    def restore(self, unit: int, group: int) -> None:
        """Put one removed unit back."""
        ...


def flat(scores: FilterScores, groups: Sequence[FilterGroup]) -> Array:
    """The scores of all groups one after the other ``[units]``."""
    for g in groups:
        if g.name not in scores.values or scores.values[g.name].shape != (g.size,):
            raise EasiEdgeError(
                f"the scores hold no value for each of the {g.size} units of group {g.name!r}: score the same groups that you project"
            )
    return torch.cat([scores.values[g.name].double() for g in groups]).numpy()


def starts_of(groups: Sequence[FilterGroup]) -> NDArray[np.int64]:
    """First column of each group, and the number of units at the end ``[groups + 1]``."""
    return np.concatenate([[0], np.cumsum([g.size for g in groups])]).astype(np.int64)


def mask_of(alive: Bool, groups: Sequence[FilterGroup]) -> FilterMask:
    """The mask that keeps the units of ``alive`` ``[units]``."""
    starts = starts_of(groups)
    return FilterMask({g.name: torch.from_numpy(alive[starts[i] : starts[i + 1]].copy()) for i, g in enumerate(groups)})


class SingleScores:
    """Units of a group go in the order of their own scores; ties in the order of their position."""

    power = 1.0

    def __init__(self, values: Array, starts: NDArray[np.int64]) -> None:
        self.starts = starts
        self.alive = np.ones(len(values), dtype=bool)
        self.values = values
        self.queues: list[NDArray[np.int64]] = []
        self.sums: list[Array] = []
        for a, b in itertools.pairwise(starts):
            columns = a + np.argsort(values[a:b], kind="stable")
            self.queues.append(columns)
            self.sums.append(np.concatenate([[0.0], np.cumsum(values[columns])]))
        self.heads = np.zeros(len(self.queues), dtype=np.int64)

    def losses(self, steps: Array) -> Array:
        """Sum of the next scores of each group."""
        result = np.full(len(steps), np.inf)
        for g in np.flatnonzero(steps):
            head = self.heads[g]
            result[g] = self.sums[g][head + int(steps[g])] - self.sums[g][head]
        return result

    def remove(self, group: int, count: int) -> NDArray[np.int64]:
        """The ``count`` lowest scores that are left in the group go."""
        head = self.heads[group]
        gone = self.queues[group][head : head + count]
        self.heads[group] += count
        self.alive[gone] = False
        return gone

    def restore(self, unit: int, group: int) -> None:
        """Put a unit back; its group loses no more units afterwards."""
        self.alive[unit] = True
