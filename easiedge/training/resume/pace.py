"""How often state is saved: as often as a small share of the time allows, by what saving has cost so far."""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE, LEAST_SECONDS = 0.02, 10.0


class Pace:
    """Saving is due when ``max(least, cost / share)`` seconds have passed since the last one, ``cost`` being what that took.

    Args:
        share: of the time that saving may take.
        least_seconds: between two of them.
        clock: seconds.

    Attributes:
        seconds: what saving has taken in all.
        saves: how often.
    """

    def __init__(
        self, share: float = SHARE, least_seconds: float = LEAST_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.share, self.least_seconds, self.clock = share, least_seconds, clock
        self.last, self.cost, self.seconds, self.saves = clock(), 0.0, 0.0, 0

    def due(self) -> bool:
        """Whether it is time."""
        return self.clock() - self.last >= max(self.least_seconds, self.cost / self.share)

    def saving(self, save: Callable[[], object]) -> None:
        """Call ``save``, and take its time."""
        begun = self.clock()
        save()
        self.last = self.clock()
        self.cost = self.last - begun
        self.seconds += self.cost
        self.saves += 1
