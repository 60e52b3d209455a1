"""Which settings of two runs differ, when one of them may be of an older version that did not know them all."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from hydra.utils import get_object

_ABSENT = object()


def settings_apart(older: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Dotted names whose values differ, sorted.

    A setting that only ``now`` has does not differ where its value is the one that the class beside it (``_target_``) takes when
    it is not given: that is how the older version behaved.
    """
    return [
        name
        for name in sorted({*older, *now})
        if older.get(name, _ABSENT) != now.get(name, _ABSENT) and not (name not in older and _is_default(name, now))
    ]


def _is_default(name: str, values: Mapping[str, Any]) -> bool:
    place, _, own = name.rpartition(".")
    target = values.get(f"{place}._target_")
    if not isinstance(target, str):
        return False
    try:
        parameter = inspect.signature(get_object(target)).parameters.get(own)
    except (ImportError, AttributeError, TypeError, ValueError):
        return False
    return parameter is not None and type(parameter.default) is type(values[name]) and parameter.default == values[name]
