"""What a projection asks of a device: milliseconds as a function of the units kept."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class DeviceLatency(Protocol):
    """Milliseconds per image; need not fall with every unit (widths off an engine's alignment can take longer than larger ones)."""

    @property
    def names(self) -> tuple[str, ...]:
        """Group names, in the order of every ``[groups]`` array here."""
        ...

    def total(self, n: Array) -> Array:
        """Milliseconds when each group keeps ``n`` units, ``[...]`` from ``[..., groups]``."""
        ...

    def marginal(self, n: Array, steps: Array) -> Array:
        """What each group saves by losing ``steps`` more units ``[groups]``; below zero where it costs time."""
        ...

    def along(self, n: Array, group: int, widths: Array) -> Array:
        """Milliseconds ``[widths]`` when ``group`` keeps ``widths`` units and the others ``n``, up to a constant."""
        ...
