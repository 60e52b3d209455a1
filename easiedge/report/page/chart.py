"""Charts as values: the page draws them with a script, ``paper`` draws them with Matplotlib; neither knows what they are about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

MOST_SERIES = 12  # that a reader can tell apart


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        label: with the unit.
        form: ``percent`` for shares that are shown as per cent, ``number``, or ``whole``.
        log: decades.
        least: what no figure can be below; intervals that are end there.
        most: what none can be above.
    """

    label: str
    form: str = "number"
    log: bool = False
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes:
        x: empty for 1, 2, 3, ...
        y: NaN is a gap.
        low: lower ends of intervals, NaN for none; may be empty.
        high: upper ends.
        n: seeds behind each point; may be empty.
        hue: number of the colour; -1 for grey.
        dashed: a dashed line with open marks.
        line: whether the points are joined.
        marks: whether the points are marked.
        shade: place on a scale from 0 to 1 instead of a hue.
        wide: a broad pale line behind the others.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    n: tuple[int, ...] = ()
    hue: int = 0
    dashed: bool = False
    line: bool = True
    marks: bool = True
    shade: float | None = None
    wide: bool = False


@dataclass(frozen=True)
class Lines:
    """Lines and points over two axes; ``breaks`` are names of what begins at a place along x."""

    key: str
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    breaks: tuple[tuple[str, int], ...] = ()
    note: str = ""
    kind: str = "lines"


@dataclass(frozen=True)
class Bars:
    """Bars side by side over categories; the first series stands pale behind the others."""

    key: str
    title: str
    categories: tuple[str, ...]
    y: Axis
    series: tuple[Series, ...]
    note: str = ""
    kind: str = "bars"


@dataclass(frozen=True)
class Forest:
    """Means with intervals, one a row, about zero; rows that chance would rarely give are ``sure`` and drawn filled."""

    key: str
    title: str
    x: Axis
    rows: tuple[str, ...]
    series: tuple[Series, ...]
    sure: tuple[bool, ...]
    note: str = ""
    kind: str = "forest"


@dataclass(frozen=True)
class Heat:
    """A value for each row and column."""

    key: str
    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    x: Axis
    value: Axis
    note: str = ""
    kind: str = "heat"


Chart = Lines | Bars | Forest | Heat


def plain(value: Any) -> Any:
    """Charts, and what holds them, as JSON values: defaults left out, five significant digits, null for what is not finite."""
    if isinstance(value, float):
        return _rounded(value)
    if isinstance(value, str | int | bool | type(None)):
        return value
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    fields = type(value).__dataclass_fields__
    return {
        name: plain(inner)
        for name, field in fields.items()
        if (inner := getattr(value, name)) != field.default or name == "kind"
    }


def _rounded(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    short = float(f"{value:.5g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short


def thinned(series: Series, most: int) -> Series:
    """At most ``most`` points, evenly taken, the first and the last among them."""
    number = len(series.y)
    if number <= most:
        return series
    at = sorted({round(i * (number - 1) / (most - 1)) for i in range(most)})
    x = series.x or tuple(float(i + 1) for i in range(number))

    def take(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[i] for i in at) if values else ()

    return replace(series, x=take(x), y=take(series.y), low=take(series.low), high=take(series.high), n=take(series.n))
