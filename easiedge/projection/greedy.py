"""Greedy backward selection: the unit that costs least now goes, and what the others cost is then computed anew."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from easiedge.projection.order import Array

_FIRST = 32  # units of a group whose sums are made for all groups at once


class GreedyOrder(ABC):
    """An order in which every removal changes what the next one costs.

    Attributes:
        increase: information lost with each unit, given those that are gone ``[units]``.
        alive: the units that are left.
        power: of what a step pays, see `easiedge.projection.order.Order`.
    """

    power = 1.0

    def __init__(self, increase: Array, starts: NDArray[np.int64]) -> None:
        self.increase, self.starts = increase, starts
        self.alive = np.ones(int(starts[-1]), dtype=bool)
        self._open = increase.copy()  # infinity for units that are gone
        sizes = np.diff(starts)
        column = np.arange(sizes.max())
        self._places = np.where(column < sizes[:, None], starts[:-1, None] + column, len(increase))
        self._sums: Array | None = None  # of each group's lowest increases ``[groups, first]``, until a unit goes

    def losses(self, steps: Array) -> Array:
        """Increase with the next unit of each group; for larger steps the sum of the lowest increases."""
        if steps.max(initial=0.0) <= 1.0:
            return np.where(steps > 0, np.minimum.reduceat(self._open, self.starts[:-1]), np.inf)
        if self._sums is None:
            table = np.append(self._open, np.inf)[self._places]
            lowest = np.partition(table, _FIRST - 1, axis=1)[:, :_FIRST] if table.shape[1] > _FIRST else table
            self._sums = np.cumsum(np.sort(lowest, axis=1), axis=1)
        sums, count = self._sums, steps.astype(np.int64)
        result: Array = np.where(steps > 0, sums[np.arange(len(steps)), np.clip(count, 1, sums.shape[1]) - 1], np.inf)
        for g in np.flatnonzero(count > sums.shape[1]):
            span = self._open[self.starts[g] : self.starts[g + 1]]
            result[g] = np.partition(span, count[g] - 1)[: count[g]].sum()
        return result

    def remove(self, group: int, count: int) -> NDArray[np.int64]:
        """Remove the lowest increases of the group one after the other, updating in between."""
        gone = []
        self._sums = None
        for _ in range(count):
            a, b = self.starts[group], self.starts[group + 1]
            unit = int(a + np.argmin(self._open[a:b]))
            self.alive[unit] = False
            self._open[unit] = np.inf
            self._without(unit)
            np.copyto(self._open, self.increase, where=self.alive)
            gone.append(unit)
        return np.array(gone, dtype=np.int64)

    @abstractmethod
    def restore(self, unit: int, group: int) -> None:
        """Put a unit back."""

    @abstractmethod
    def _without(self, unit: int) -> None:
        """Update `increase` after ``unit`` has gone."""
