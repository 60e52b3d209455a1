"""Seeds of things that are counted: passes over the data, processes."""

from __future__ import annotations

STEP = 1_000_003  # a prime


def numbered_seed(number: int, of: int) -> int:
    """``number * STEP + of``: another for every pair with ``0 <= of < 1_000_003``."""
    return number * STEP + of
