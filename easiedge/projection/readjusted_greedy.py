"""Greedy backward selection where the gates that stay are readjusted after every removal.

    increase(q | S) = 0.5 / H_qq        H = (F_KK + lambda I)^-1,  K all but S
    without q:  H - H_q H_q' / H_qq     (the inverse of what is left: Schur's complement)

Of two units that say the same either may go, and then the other may not: H_qq of the second falls with the first.  Each increase is
that of a network whose gates are all 1 again, as they are where the weights are refitted after the choice.  ``g`` has no part:
what it says is mended by the readjustment.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from easiedge.projection.greedy import GreedyOrder
from easiedge.projection.order import Array
from easiedge.scoring.readjusted import Readjusted
from easiedge.unit import Interaction


class ReadjustedOrder(GreedyOrder):
    """Units of a group go by the information that is lost when the others make up for them as well as their gates can.

    The subtracted columns are kept, and a column of H is only computed when its unit goes.  Where F is given by ``R`` rows and ``R`` units
    are gone, what they subtract is folded into a matrix of that size (`_Folded`), and no further columns are kept: time
    ``removed * min(removed, R) * units``, memory ``8 * min(removed, R) * units`` bytes beside that of `Readjusted`.
    """

    def __init__(self, interaction: Interaction, starts: NDArray[np.int64]) -> None:
        self._form = Readjusted(interaction, interaction.readjust)
        self._diagonal: Array = self._form.diagonal().numpy().copy()
        super().__init__(0.5 / self._diagonal, starts)
        self._taken = torch.empty(
            64, len(self._diagonal), dtype=torch.float64
        )  # H_q / sqrt(H_qq) of the units that are gone
        self._count = 0
        self._folded: _Folded | None = None

    def restore(self, unit: int, group: int) -> None:
        """Put a unit back; no more units go afterwards."""
        self.alive[unit] = True

    def _without(self, unit: int) -> None:
        if self._folded is None and self._form.solved is not None and self._count >= len(self._form.solved):
            before = self.alive.copy()
            before[unit] = True
            self._folded = _Folded(self._form.solved, before, self._form.lam)
            self._taken = torch.empty(0, 0)
        column = self._column(unit) if self._folded is None else self._folded.column(unit, self.alive)
        left = self.alive
        self._diagonal[left] -= column[left] ** 2
        self.increase[left] = 0.5 / np.maximum(self._diagonal[left], np.finfo(np.float64).tiny)

    def _column(self, unit: int) -> Array:
        """What the unit subtracts, ``H_q / sqrt(H_qq)`` ``[units]``, from H of all units and what others have subtracted."""
        taken = self._taken[: self._count]
        column = self._form.column(unit) - taken.T @ taken[:, unit]
        column /= float(np.sqrt(self._diagonal[unit]))
        if self._count == len(self._taken):
            self._taken = torch.cat([self._taken, torch.empty_like(self._taken)])
        self._taken[self._count] = column
        self._count += 1
        result: Array = column.numpy()
        return result


class _Folded:
    """H of the units that are left as ``(I - S' C S) / lambda``, with ``S`` ``[rows, units]`` as `Readjusted` has it for all units.

    With the units D gone, ``C = (I - S_D S_D')^-1`` (Woodbury); one more adds ``C s s' C / (1 - s' C s)`` to it.
    """

    def __init__(self, solved: Tensor, alive: NDArray[np.bool_], lam: float) -> None:
        gone = solved[:, torch.from_numpy(~alive)]
        self.inner = torch.linalg.inv(torch.eye(len(solved), dtype=solved.dtype) - gone @ gone.T)
        self.lam, self.units = lam, np.flatnonzero(alive)
        self.solved = solved[:, torch.from_numpy(alive)]

    def column(self, unit: int, alive: NDArray[np.bool_]) -> Array:
        """``H_q / sqrt(H_qq)`` ``[units]`` of the unit, which goes with that; zero for those that are gone."""
        if alive.sum() < 0.9 * len(self.units):
            stays = alive[self.units] | (self.units == unit)
            self.units, self.solved = self.units[stays], self.solved[:, torch.from_numpy(stays)]
        own = self.solved[:, int(np.searchsorted(self.units, unit))].clone()
        v = self.inner @ own
        rest = max(1.0 - float(own @ v), np.finfo(np.float64).eps)  # lambda H_qq
        result = np.zeros(len(alive))
        result[self.units] = (-(v @ self.solved) / (rest * self.lam) ** 0.5).numpy()
        self.inner.addr_(v, v, alpha=1 / rest)
        return result
