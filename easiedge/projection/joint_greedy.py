"""Greedy backward selection on the joint quadratic form: each removal changes what the next one costs.

    increase(q | S) = 0.5 F_qq + sum_{s in S} F_qs - g_q

The running vector F 1_S is kept and one column is added per removal: O(units) a step (design: method.md section 4).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from easiedge.projection.column_cache import ColumnCache
from easiedge.projection.greedy import GreedyOrder
from easiedge.unit import Interaction


class JointOrder(GreedyOrder):
    """Units of a group go by the information lost together with everything that is gone already."""

    def __init__(self, interaction: Interaction, starts: NDArray[np.int64]) -> None:
        base = 0.5 * interaction.diagonal().double() - interaction.gradient.double()
        super().__init__(base.cpu().numpy().copy(), starts)
        self.interaction = interaction
        self._columns = ColumnCache(interaction)

    def restore(self, unit: int, group: int) -> None:
        """Put a unit back and take its column off again."""
        self.alive[unit] = True
        self._add(unit, -1.0)
        np.copyto(self._open, self.increase, where=self.alive)

    def _without(self, unit: int) -> None:
        self._add(unit, 1.0)

    def _add(self, unit: int, sign: float) -> None:
        own = self.increase[unit]
        self.increase += sign * self._columns.column(unit, self._open)
        self._columns.drop(unit)
        self.increase[unit] = own


def joint_gain(interaction: Interaction, removed: torch.Tensor) -> float:
    """The quadratic form itself, ``0.5 * 1_S' F 1_S - g' 1_S`` in nats, for ``removed`` bool ``[units]``."""
    s = removed.double()
    if interaction.rows is not None:
        quadratic = (interaction.rows.double() @ s).square().sum()
    else:
        assert interaction.fisher is not None
        quadratic = s @ interaction.fisher.double() @ s
    return float(0.5 * quadratic - interaction.gradient.double() @ s)
