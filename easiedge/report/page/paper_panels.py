"""Each kind of chart on Matplotlib's axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from easiedge.report.page.chart import Axis, Bars, Chart, Forest, Heat, Lines, Series

HUES = (
    "#1f5fa8",
    "#c2571a",
    "#2a7f4f",
    "#8a4fa3",
    "#a33b52",
    "#5b6c10",
    "#0f7d8c",
    "#7a5230",
    "#3d4f9f",
    "#b0408f",
    "#60646c",
    "#937200",
)
GREY, PALE = "#7d8794", "#d7dde5"
MARKS = "os^Dvp*XPh<>"
SCALE = colormaps["viridis"]
MOST_LEGEND = 16
CROWDED = 150  # points, from which marks are small and pale


def draw(axes: Any, chart: Chart) -> None:
    """The chart on empty axes."""
    if isinstance(chart, Lines):
        _lines(axes, chart)
    elif isinstance(chart, Bars):
        _bars(axes, chart)
    elif isinstance(chart, Forest):
        _forest(axes, chart)
    else:
        _heat(axes, chart)


def _lines(axes: Any, chart: Chart) -> None:
    assert isinstance(chart, Lines)
    for series in chart.series:
        x = series.x or tuple(range(1, len(series.y) + 1))
        colour, crowded = _colour(series), len(series.y) > CROWDED
        style: dict[str, Any] = {
            "color": colour, "label": clean(series.name), "linestyle": ("--" if series.dashed else "-") if series.line else "none",
            "marker": (MARKS[series.hue % len(MARKS)] if series.hue >= 0 else "D") if series.marks else "none",
            "markerfacecolor": "white" if series.dashed else colour, "markersize": 2 if crowded else 4, "alpha": 0.5 if crowded else 1.0,
            "rasterized": crowded,
        }  # fmt: skip
        if series.wide:
            style |= {"linewidth": 6, "alpha": 0.28, "solid_capstyle": "round", "zorder": 1}
        axes.plot(x, series.y, **style)
        _intervals(axes, x, series, colour)
    if chart.x.log:
        axes.set_xscale("log")
    if chart.y.log and any(y > 0 for s in chart.series for y in s.y):
        axes.set_yscale("log")
    if chart.y.most is not None:
        axes.set_ylim(max(axes.get_ylim()[0], chart.y.least or 0.0), min(axes.get_ylim()[1], 1.01 * chart.y.most))
    _axis(axes.xaxis, chart.x)
    _axis(axes.yaxis, chart.y)
    for name, at in chart.breaks[:8]:
        axes.axvline(at - 0.5, color=GREY, linewidth=0.6, linestyle=":")
        axes.text(
            at - 0.4, 1.0, clean(name, 24), transform=axes.get_xaxis_transform(), fontsize=6, va="top", color=GREY
        )
    if 1 < len(chart.series) <= MOST_LEGEND:
        _legend(axes, chart.series)


def _legend(axes: Any, series: Sequence[Series], below: float = 0.16) -> None:
    columns = 2 if max(len(s.name) for s in series) <= 42 else 1
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, -below), ncols=columns, borderaxespad=0)


def _intervals(axes: Any, x: Sequence[float], series: Series, colour: Any) -> None:
    if not series.low:
        return
    y, low, high = (np.array(v, dtype=float) for v in (series.y, series.low, series.high))
    there = np.isfinite(y) & np.isfinite(low) & np.isfinite(high)
    if there.any():
        below, above = np.maximum(y - low, 0)[there], np.maximum(high - y, 0)[there]
        axes.errorbar(
            np.array(x, dtype=float)[there], y[there], np.array([below, above]), fmt="none", ecolor=colour, elinewidth=0.8, capsize=2, alpha=0.6
        )  # fmt: skip


def _bars(axes: Any, chart: Chart) -> None:
    assert isinstance(chart, Bars)
    behind, *front = chart.series
    at = np.arange(len(chart.categories), dtype=float)
    axes.bar(at, behind.y, color=PALE, width=0.84, label=clean(behind.name))
    width = 0.84 / max(len(front), 1)
    for i, series in enumerate(front):
        x = at - 0.42 + width * (i + 0.5)
        axes.bar(x, series.y, color=_colour(series), width=0.92 * width, label=clean(series.name))
        if any(n > 1 for n in series.n):
            _intervals(axes, x.tolist(), series, "#20242a")
    axes.set_xticks(at, [clean(c) for c in chart.categories], rotation=90 if len(at) > 6 else 0, fontsize=7)
    axes.grid(axis="x", visible=False)
    _axis(axes.yaxis, chart.y)
    longest = max(map(len, chart.categories), default=0) if len(at) > 6 else 0
    _legend(axes, chart.series, 0.1 + 0.016 * min(longest, 90))


def _forest(axes: Any, chart: Chart) -> None:
    assert isinstance(chart, Forest)
    (series,) = chart.series
    at = np.arange(len(chart.rows), dtype=float)
    x, low, high = (np.array(v, dtype=float) for v in (series.y, series.low, series.high))
    sure = np.array(chart.sure, dtype=bool)
    for chosen, face in ((sure, HUES[0]), (~sure, "white")):
        axes.plot(x[chosen], at[chosen], "o", color=HUES[0], markerfacecolor=face)
    there = np.isfinite(low) & np.isfinite(high)
    axes.hlines(at[there], low[there], high[there], color=HUES[0], linewidth=1.1)
    axes.axvline(0, color="#20242a", linewidth=0.8)
    axes.set_yticks(at, [clean(row) for row in chart.rows], fontsize=7)
    axes.set_ylim(len(at) - 0.4, -0.6)
    _axis(axes.xaxis, chart.x)


def _heat(axes: Any, chart: Chart) -> None:
    assert isinstance(chart, Heat)
    image = axes.imshow(np.array(chart.values), aspect="auto", cmap=SCALE, interpolation="nearest")
    axes.set_xticks(range(len(chart.columns)), [clean(c) for c in chart.columns], fontsize=7)
    axes.set_yticks(range(len(chart.rows)), [clean(r) for r in chart.rows], fontsize=7)
    axes.set_xlabel(clean(chart.x.label))
    axes.grid(visible=False)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label(clean(chart.value.label))
    if chart.value.form == "percent":
        bar.ax.yaxis.set_major_formatter(FuncFormatter(_percent))


def _axis(axis: Any, form: Axis) -> None:
    axis.set_label_text(clean(form.label))
    if form.form == "percent":
        axis.set_major_formatter(FuncFormatter(_percent))
    elif form.form == "whole":
        axis.set_major_locator(MaxNLocator(integer=True))
    elif form.log:
        axis.set_major_formatter(FuncFormatter(_figure))
        axis.set_minor_formatter(FuncFormatter(_figure) if _decades(axis) < 1.2 else NullFormatter())


def _decades(axis: Any) -> float:
    low, high = axis.get_view_interval()
    return math.log10(high / low) if low > 0 else math.inf


def _figure(value: float, _: object = None) -> str:
    return f"{value:g}"


def _percent(value: float, _: object = None) -> str:
    return f"{100 * value:.4g}".replace("-", "\N{MINUS SIGN}")


def _colour(series: Series) -> Any:
    if series.shade is not None:
        return SCALE(0.05 + 0.85 * series.shade)
    return GREY if series.hue < 0 else HUES[series.hue % len(HUES)]


def clean(text: str, most: int = 90) -> str:
    """Without control characters; a leading underscore would hide a name from the legend, so that it does not lead."""
    shown = "".join(c if c.isprintable() else " " for c in text)[:most]
    return f" {shown}" if shown.startswith("_") else shown
