"""Which settings of two runs differ, when one of them may be of an older version that did not know them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LATER: Mapping[str, Mapping[str, Any]] = {"easiedge.schedule.admm.Admm": {"dual_in_scores": False}}
"""By class (``_target_``): settings that it got later, at the value at which it does what it did before.  A default alone says
nothing of that: `Admm.start` is 0.9, and before there was a start W-steps began at 0."""
_ABSENT = object()


def settings_apart(older: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Dotted names whose values differ, sorted; one that came later (`LATER`) is the same where it changes nothing."""
    return [
        name
        for name in sorted({*older, *now})
        if older.get(name, _ABSENT) != now.get(name, _ABSENT)
        and not (name not in older and _changes_nothing(name, now))
    ]


def _changes_nothing(name: str, values: Mapping[str, Any]) -> bool:
    place, _, own = name.rpartition(".")
    neutral = LATER.get(str(values.get(f"{place}._target_")), {}).get(own, _ABSENT)
    return type(neutral) is type(values[name]) and neutral == values[name]
