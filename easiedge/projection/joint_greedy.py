"""Greedy backward selection on the joint quadratic form: each removal changes what the next one costs.

    increase(q | S) = 0.5 F_qq + sum_{s in S} F_qs - g_q

The running vector F 1_S is kept and one column is added per removal: O(units) a step (design: method.md section 4).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from easiedge.projection.column_cache import ColumnCache
from easiedge.projection.order import Array
from easiedge.unit import Interaction


class JointOrder:
    """Units of a group go by the information lost together with everything that is gone already."""

    def __init__(self, interaction: Interaction, starts: NDArray[np.int64]) -> None:
        self.interaction, self.starts = interaction, starts
        self.alive = np.ones(int(starts[-1]), dtype=bool)
        base = 0.5 * interaction.diagonal().double() - interaction.gradient.double()
        self.increase: Array = base.cpu().numpy().copy()
        self._open = np.where(self.alive, self.increase, np.inf)
        self._columns = ColumnCache(interaction)

    def losses(self, steps: Array) -> Array:
        """Increase with the next unit of each group; for larger steps the sum of the lowest increases."""
        if steps.max(initial=0.0) <= 1.0:
            lowest: Array = np.minimum.reduceat(self._open, self.starts[:-1])
            return np.where(steps > 0, lowest, np.inf)
        result = np.full(len(steps), np.inf)
        for g in np.flatnonzero(steps):
            span = self._open[self.starts[g] : self.starts[g + 1]]
            k = int(steps[g])
            result[g] = np.partition(span, k - 1)[:k].sum()
        return result

    def remove(self, group: int, count: int) -> NDArray[np.int64]:
        """Remove the lowest increases of the group one after the other, updating in between."""
        gone = []
        for _ in range(count):
            a, b = self.starts[group], self.starts[group + 1]
            unit = int(a + np.argmin(self._open[a:b]))
            self.alive[unit] = False
            self._open[unit] = np.inf
            self._add(unit, 1.0)
            gone.append(unit)
        return np.array(gone, dtype=np.int64)

    def restore(self, unit: int, group: int) -> None:
        """Put a unit back and take its column off again."""
        self.alive[unit] = True
        self._add(unit, -1.0)
        self._open[unit] = self.increase[unit]

    def _add(self, unit: int, sign: float) -> None:
        own = self.increase[unit]
        self.increase += sign * self._columns.column(unit, self._open)
        self._columns.drop(unit)
        self.increase[unit] = own
        np.copyto(self._open, self.increase, where=self.alive)


def joint_gain(interaction: Interaction, removed: torch.Tensor) -> float:
    """The quadratic form itself, ``0.5 * 1_S' F 1_S - g' 1_S`` in nats, for ``removed`` bool ``[units]``."""
    s = removed.double()
    if interaction.rows is not None:
        quadratic = (interaction.rows.double() @ s).square().sum()
    else:
        assert interaction.fisher is not None
        quadratic = s @ interaction.fisher.double() @ s
    return float(0.5 * quadratic - interaction.gradient.double() @ s)
