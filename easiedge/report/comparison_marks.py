"""What all pictures of a comparison share: colours, reference lines, the accuracy axis and words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from easiedge.report.comparison_text import quantity
from easiedge.report.comparison_values import Comparison, Row
from easiedge.report.paired import Spread
from easiedge.report.pictures import MUTED

COLOURS = {"global": "#1f5fa8", "layerwise": "#c2702b"}
MARKERS = {"global": "o", "layerwise": "s"}
NOTHING = "#9aa5b1"
Ends = tuple[float, float]


def ends(found: Comparison, rows: Sequence[Row]) -> Ends:
    """Of an accuracy axis [%]: all intervals of these rows, and the dense networks; within what can be."""
    spreads = [found.dense, *(r.accuracy for r in found.rows if r.budget is None), *(r.accuracy for r in rows)]
    means = [s.mean for s in spreads]
    low = 100 * min([*means, *(s.low for s in spreads if s.low is not None)])
    high = 100 * max([*means, *(s.high for s in spreads if s.high is not None)])
    margin = 0.08 * max(high - low, 0.1)
    return max(0.0, low - margin), min(100.5, high + margin)


def bar(spread: Spread) -> float:
    """Half of an interval [%], which Matplotlib's ``errorbar`` takes; NaN, which it does not draw, where there is none."""
    return math.nan if spread.half is None else 100 * spread.half


def reference(found: Comparison, line: Callable[..., Any]) -> None:
    """Lines across at the dense network's accuracy and the control's, by ``Axes.axhline`` or ``Axes.axvline``."""
    control = next((r for r in found.rows if r.budget is None), None)
    line(100 * found.dense.mean, color=NOTHING, linewidth=1, linestyle=":", label="dense")
    if control is not None:
        line(100 * control.accuracy.mean, color=MUTED, linewidth=1, linestyle="--", label="dense, trained on")


def heading(found: Comparison) -> str:
    """Network, data, seeds, and what bars are where there are any."""
    about = found.about
    bars = (
        f", bars: {100 * about['confidence']:g} % intervals"
        if any(r.accuracy.low is not None for r in found.rows)
        else ""
    )
    what = f"{plain_text(about['model'])} on {plain_text(about['data'])}"
    return f"{what}, {found.dense.n} seed{'s' * (found.dense.n != 1)}{bars}"


def budget_label(by: str) -> str:
    """The name of an axis."""
    return f"{quantity(by)} [{unit(by)}]"


def budget_text(by: str, budget: float) -> str:
    """One budget: its share, time or size, and of what."""
    return f"{quantity(by)}: {scale(by) * budget:g} {unit(by)}"


def unit(by: str) -> str:
    """Of a budget as it is shown."""
    return "%" if by.endswith("_removed") else "ms" if by.startswith("latency") else "MB"


def scale(by: str) -> float:
    """From a budget as it is asked for to ``unit``."""
    return 100.0 if by.endswith("_removed") else 1.0


def plain_text(text: object) -> str:
    """The text as it is: a dollar sign would begin mathematics."""
    return str(text).replace("$", r"\$")
