"""Columns of the quadratic form, computed many at a time and kept while they may be needed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from easiedge.unit import Interaction

MEMORY = 1 << 30  # bytes of columns kept


class ColumnCache:
    """Columns of ``F = G' G``: one matrix product for those likely to be asked for next, each computed once.

    Memory: at most ``memory`` bytes (but at least ``2 * ahead`` columns) beside the form itself; with ``F`` stored, none.
    """

    def __init__(self, interaction: Interaction, ahead: int = 256, memory: int = MEMORY) -> None:
        self.interaction, self.ahead = interaction, ahead
        units = interaction.gradient.numel()
        self.most = min(units, max(2 * ahead, memory // (4 * max(units, 1))))
        self.kept: dict[int, NDArray[np.float32]] = {}

    def column(self, unit: int, increase: NDArray[np.float64]) -> NDArray[np.float32]:
        """Column ``unit`` ``[units]``; the units with the lowest ``increase`` are computed along with it if it is not there."""
        if self.interaction.fisher is not None:
            return self._computed(np.array([unit]))[0]
        if unit not in self.kept:
            wanted = [u for u in self._lowest(increase) if u not in self.kept and u != unit]
            if len(self.kept) + len(wanted) >= self.most:
                likely = set(self._lowest(increase))
                self.kept = {u: column for u, column in self.kept.items() if u in likely}
            at = np.array([unit, *wanted])
            self.kept |= {u: c.copy() for u, c in zip(at.tolist(), self._computed(at), strict=True)}
        return self.kept[unit]

    def drop(self, unit: int) -> None:
        """Forget a column that will hardly be asked for again."""
        self.kept.pop(unit, None)

    def _computed(self, units: NDArray[np.int64]) -> NDArray[np.float32]:
        columns: NDArray[np.float32] = self.interaction.columns(torch.from_numpy(units)).cpu().numpy()
        return columns

    def _lowest(self, increase: NDArray[np.float64]) -> list[int]:
        count = min(self.ahead, int(np.isfinite(increase).sum()))
        lowest: list[int] = np.argpartition(increase, count - 1)[:count].tolist() if count else []
        return lowest
