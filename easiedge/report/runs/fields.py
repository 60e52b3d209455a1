"""Typed fields of nested mappings that came from a file; each function names the field that is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from easiedge.errors import RunError

LONGEST = 1000  # characters of a name
ABSENT = object()


def field(values: Mapping[str, Any], name: str) -> Any:
    """The value under a dotted name, or ``ABSENT``."""
    found: Any = values
    for part in name.split("."):
        if not isinstance(found, Mapping):
            raise RunError(f"{name} cannot be read: what holds it is {_kind(found)}, not an object")
        found = found.get(part, ABSENT)
        if found is ABSENT:
            return ABSENT
    return found


def number(
    values: Mapping[str, Any], name: str, low: float = -math.inf, high: float = math.inf, gap: bool = False
) -> float | None:
    """A finite number in [low, high]; None only with ``gap``, for null, NaN or infinity.

    Raises:
        RunError: it is absent, of another kind, not finite, or out of range.
    """
    value = _present(values, name)
    if gap and (value is None or (isinstance(value, float) and not math.isfinite(value))):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RunError(f"{name} is {_kind(value)}, not a number")
    try:
        real = float(value)
    except OverflowError:
        real = math.inf
    if not math.isfinite(real):
        raise RunError(f"{name} is {real}, not a finite number")
    if not low <= real <= high:
        raise RunError(f"{name}={value} is outside [{low:g}, {high:g}]")
    return real


def share(values: Mapping[str, Any], name: str) -> float:
    """A number in [0, 1]."""
    found = number(values, name, 0.0, 1.0)
    assert found is not None
    return found


def whole(values: Mapping[str, Any], name: str, low: int = 0, high: float = 1e18) -> int:
    """A whole number from ``low``."""
    found = number(values, name, low, high)
    assert found is not None
    if found != int(found):
        raise RunError(f"{name}={found:g} is not a whole number")
    return int(found)


def name_of(values: Mapping[str, Any], name: str) -> str:
    """A text that is neither empty nor endless."""
    value = _present(values, name)
    if not isinstance(value, str) or not value.strip():
        raise RunError(f"{name} is {_kind(value)}, not a name")
    if len(value) > LONGEST:
        raise RunError(f"{name} is longer than {LONGEST} characters")
    return value


def mapping(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object; empty where it is absent."""
    value = field(values, name)
    if value is ABSENT:
        return {}
    if not isinstance(value, Mapping):
        raise RunError(f"{name} is {_kind(value)}, not an object")
    return value


def sequence(values: Mapping[str, Any], name: str) -> Sequence[Any]:
    """A list; empty where it is absent."""
    value = field(values, name)
    if value is ABSENT:
        return []
    if not isinstance(value, list):
        raise RunError(f"{name} is {_kind(value)}, not a list")
    return value


def _present(values: Mapping[str, Any], name: str) -> Any:
    value = field(values, name)
    if value is ABSENT:
        raise RunError(f"{name} is missing")
    return value


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", type(None): "null", bool: str(value).lower()}
    if type(value) in kinds:
        return kinds[type(value)]
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
