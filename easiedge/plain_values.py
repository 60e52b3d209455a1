"""What a value from a configuration is, where Python takes true and false for numbers."""

from __future__ import annotations

from typing import Any


def is_number(value: Any) -> bool:
    """A whole number or a fraction."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """A whole number."""
    return isinstance(value, int) and not isinstance(value, bool)
