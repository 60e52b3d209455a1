"""Greedy backward selection where the gates that stay are readjusted after every removal.

    increase(q | S) = 0.5 / H_qq        H = (F_KK + lambda I)^-1,  K all but S
    without q:  H - H_q H_q' / H_qq     (the inverse of what is left: Schur's complement)

Of two units that say the same either may go, and then the other may not: H_qq of the second falls with the first.  Each increase is
that of a network whose gates are all 1 again, as they are where the weights are refitted after the choice.  ``g`` has no part:
what it says is mended by the readjustment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from easiedge.projection.greedy import GreedyOrder
from easiedge.projection.order import Array
from easiedge.scoring.readjusted import Readjusted
from easiedge.unit import Interaction


class ReadjustedOrder(GreedyOrder):
    """Units of a group go by the information that is lost when the others make up for them as well as their gates can.

    The subtracted columns are kept, and a column of H is only computed when its unit goes: time ``removed**2 * units``, memory
    ``8 * removed * units`` bytes beside that of `Readjusted`.
    """

    def __init__(self, interaction: Interaction, starts: NDArray[np.int64]) -> None:
        self._form = Readjusted(interaction, interaction.readjust)
        self._diagonal: Array = self._form.diagonal().numpy().copy()
        super().__init__(0.5 / self._diagonal, starts)
        self._taken = np.empty((64, len(self._diagonal)))  # H_q / sqrt(H_qq) of the units that are gone
        self._count = 0

    def restore(self, unit: int, group: int) -> None:
        """Put a unit back; no more units go afterwards."""
        self.alive[unit] = True

    def _without(self, unit: int) -> None:
        taken = self._taken[: self._count]
        column = self._form.column(unit).numpy() - taken.T @ taken[:, unit]
        column /= np.sqrt(self._diagonal[unit])
        if self._count == len(self._taken):
            self._taken = np.concatenate([self._taken, np.empty_like(self._taken)])
        self._taken[self._count] = column
        self._count += 1
        left = self.alive
        self._diagonal[left] -= column[left] ** 2
        self.increase[left] = 0.5 / np.maximum(self._diagonal[left], np.finfo(np.float64).tiny)
