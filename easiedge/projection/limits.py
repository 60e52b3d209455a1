"""A budget made concrete for one network: how much of each quantity may stay, and the next widths on the way there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from easiedge.model.cost import NetworkCost
from easiedge.projection.floors import Array

ALIGNED = (1, 4, 8, 16, 32)  # engines take faster roads for channels in multiples of these


@dataclass(frozen=True, eq=False)
class Limits:
    """What may stay.

    Attributes:
        cost: the cost of the network as a function of the units kept.
        most: largest value allowed for each of the cost's quantities ``[quantities]``; infinity where nothing is asked.
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
        """How much of each quantity must still go ``[quantities]``; zero where the limit holds."""
        return np.maximum(self.cost.totals(kept) - self.most, 0.0)

    def step(self, kept: Array, multiple: int = 1) -> Array:
        """Units each group loses in its next step ``[groups]``: to the next lower allowed width that is a multiple; 0 at the floor."""
        grain = self.round_to * multiple
        lower = np.maximum((np.ceil(kept / grain) - 1) * grain, self.floor)
        return kept - np.where(kept <= self.floor, kept, lower)

    def steps(self, kept: Array) -> list[Array]:
        """Steps worth a look: with milliseconds, which may only fall with several units at once, also to the next aligned widths."""
        if not self.has_latency:
            return [self.step(kept)]
        multiples = [a // self.round_to for a in ALIGNED if a % self.round_to == 0] or [1]
        return [self.step(kept, m) for m in multiples]

    def allows(self, width: float, group: int) -> bool:
        """Whether ``group`` may keep ``width`` units, as far as rounding goes."""
        return width % self.round_to == 0 or width == self.cost.sizes[group]

    def wider(self, kept: Array, group: int) -> list[float]:
        """Widths above ``kept`` to try for ``group``, lowest first: the next allowed one, with milliseconds also the next aligned ones."""
        size, now = float(self.cost.sizes[group]), float(kept[group])
        multiples = ALIGNED if self.has_latency else (1,)
        grains = sorted({self.round_to * max(1, a // self.round_to) for a in multiples})
        return sorted({min((now // g + 1) * g, size) for g in grains if now < size})

    @property
    def has_latency(self) -> bool:
        """Milliseconds are limited."""
        return self.cost.latency is not None and bool(np.isfinite(self.most[-1]))

    @property
    def units_only(self) -> bool:
        """Only the number of units is limited, and widths are free: an exact ranking is enough."""
        return bool(np.isfinite(self.most[0]) and np.isinf(self.most[1:]).all()) and self.round_to == 1

    def least(self) -> Array:
        """The smallest value of each quantity within the floors ``[quantities]``; of milliseconds, the smallest that was found."""
        least = self.cost.totals(self.floor)
        if self.has_latency and least[-1] > self.most[-1]:
            least[-1] = min(least[-1], self._least_latency())
        return least

    def _least_latency(self) -> float:
        """From the floors, and from the lowest widths of each alignment, group by group to the width that takes least, until none helps."""
        device, sizes = self.cost.latency, self.cost.sizes
        assert device is not None
        found = np.inf
        for grain in ALIGNED:
            kept = np.minimum(np.ceil(self.floor / grain) * grain, sizes)
            before = np.inf
            while (now := float(device.total(kept))) < before:
                before = now
                for g, size in enumerate(sizes):
                    widths = allowed_widths(int(size), int(self.floor[g]), self.round_to).astype(np.float64)
                    kept[g] = widths[int(np.argmin(device.along(kept, g, widths)))]
            found = min(found, before)
        return found


def allowed_widths(size: int, floor: int, round_to: int) -> NDArray[np.int64]:
    """The floor, multiples of ``round_to`` between it and ``size``, and ``size`` itself, ascending."""
    first = -(-floor // round_to) * round_to
    return np.unique(np.concatenate([[min(floor, size)], np.arange(first, size, round_to), [size]])).astype(np.int64)
