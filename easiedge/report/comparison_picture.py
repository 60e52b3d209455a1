"""The picture of a comparison: accuracy of global and layerwise at every budget, and their paired difference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from easiedge.report.comparison_text import quantity
from easiedge.report.comparison_values import Comparison, Row
from easiedge.report.pictures import MUTED

COLOURS = {"global": "#1f5fa8", "layerwise": "#c2702b"}
MARKERS = {"global": "o", "layerwise": "s"}
SHIFT = {"global": -0.012, "layerwise": 0.012}  # of the budgets' width, so that intervals stand beside each other
NOTHING = "#9aa5b1"
COLUMNS = 4  # of panels at most


def draw_comparison(found: Comparison, stem: Path) -> list[Path]:
    """``STEM.png`` (300 dpi) and ``STEM.svg``; nothing where no cell but the control has finished."""
    methods = list(dict.fromkeys(row.method for row in found.rows if row.budget is not None))
    if not methods:
        return []
    figure = comparison_figure(found, methods)
    paths = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    for path in paths:
        figure.savefig(path, dpi=300)
    return paths


def comparison_figure(found: Comparison, methods: Sequence[str]) -> Figure:
    """One column for each method: accuracy with intervals above, global minus layerwise below."""
    both = any(d.kind == "scope" for d in found.differences)
    columns = columns_for(len(methods))
    lines = -(-len(methods) // columns)
    heights = (3, 1.5) if both else (3,)
    figure = Figure(figsize=(3.3 * columns + 0.8, lines * (sum(heights) + 0.6) + 0.5), layout="constrained")
    axes = figure.subplots(
        lines * len(heights), columns, squeeze=False, height_ratios=heights * lines, sharey="row", sharex=True
    )
    for i, method in enumerate(methods):
        line, column = divmod(i, columns)
        _accuracy(axes[line * len(heights)][column], found, method)
        if both:
            _difference(axes[line * len(heights) + 1][column], found, method)
        lowest = axes[(line + 1) * len(heights) - 1][column]
        lowest.set_xlabel(budget_label(str(found.about["by"])))
        lowest.tick_params(labelbottom=True)
    for i in range(len(methods), lines * columns):
        for j in range(len(heights)):
            axes[(i // columns) * len(heights) + j][i % columns].set_visible(False)
    for row in range(lines):
        first = axes[row * len(heights)][0]
        first.set_ylabel("test accuracy [%]")
        first.set_ylim(*_ends(found, methods[row * columns : (row + 1) * columns]))
        if both:
            axes[row * len(heights) + 1][0].set_ylabel("global - layerwise\n[points]", fontsize=8)
    handles = dict(zip(*reversed(axes[0][0].get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8
    )
    about = found.about
    figure.suptitle(
        f"{plain_text(about['model'])} on {plain_text(about['data'])}, {found.dense.n} seed{'s' * (found.dense.n != 1)}, bars: {100 * about['confidence']:g} % intervals",
        fontsize=10,
    )
    return figure


def columns_for(panels: int) -> int:
    """Columns that leave the fewest places empty; the more of them the better where that is equal."""
    return min(range(1, COLUMNS + 1), key=lambda c: (-panels % c + (c < min(panels, COLUMNS - 1)) * panels, -c))


def budget_label(by: str) -> str:
    """The name of an axis."""
    return (
        f"{quantity(by)} [%]"
        if by.endswith("_removed")
        else f"{quantity(by)} [{'ms' if by.startswith('latency') else 'MB'}]"
    )


def plain_text(text: object) -> str:
    """The text as it is: a dollar sign would begin mathematics."""
    return str(text).replace("$", r"\$")


def _scale(by: str) -> float:
    return 100.0 if by.endswith("_removed") else 1.0


def _accuracy(axes: Axes, found: Comparison, method: str) -> None:
    scale = _scale(str(found.about["by"]))
    budgets = sorted({scale * r.budget for r in found.rows if r.budget is not None})
    width = (budgets[-1] - budgets[0]) or 1.0
    _reference(axes, found)
    for scope, colour in COLOURS.items():
        rows = sorted((r for r in found.rows if r.method == method and r.scope == scope), key=lambda r: r.budget or 0)
        if rows:
            x = [scale * (r.budget or 0) + SHIFT[scope] * width for r in rows]
            y = [100 * r.accuracy.mean for r in rows]
            axes.errorbar(
                x,
                y,
                yerr=_halves(rows),
                fmt=f"{MARKERS[scope]}-",
                color=colour,
                markersize=4,
                capsize=3,
                linewidth=1.4,
                label=scope,
            )
    axes.set_title("\n".join(_wrapped(plain_text(method))), fontsize=9)
    axes.set_xticks(budgets)
    axes.set_xlim(budgets[0] - 0.2 * width, budgets[-1] + 0.2 * width)
    axes.set_ylim(
        max(0.0, axes.get_ylim()[0]), min(axes.get_ylim()[1], 100.5)
    )  # an interval may reach beyond what can be
    _plain(axes)


def _ends(found: Comparison, methods: Sequence[str]) -> tuple[float, float]:
    """Of the accuracy axis: all intervals of these methods, and the dense networks; within what can be."""
    spreads = [found.dense, *(r.accuracy for r in found.rows if r.budget is None or r.method in methods)]
    means = [s.mean for s in spreads]
    low = 100 * min([*means, *(s.low for s in spreads if s.low is not None)])
    high = 100 * max([*means, *(s.high for s in spreads if s.high is not None)])
    margin = 0.08 * max(high - low, 0.1)
    return max(0.0, low - margin), min(100.5, high + margin)


def _reference(axes: Axes, found: Comparison) -> None:
    control = next((r for r in found.rows if r.budget is None), None)
    axes.axhline(100 * found.dense.mean, color=NOTHING, linewidth=1, linestyle=":", label="dense")
    if control is not None:
        axes.axhline(100 * control.accuracy.mean, color=MUTED, linewidth=1, linestyle="--", label="dense, trained on")


def _difference(axes: Axes, found: Comparison, method: str) -> None:
    scale = _scale(str(found.about["by"]))
    axes.axhline(0, color=NOTHING, linewidth=1)
    mine = sorted(
        (d for d in found.differences if d.kind == "scope" and d.left == f"{method}, global"), key=lambda d: d.budget
    )
    for d in mine:
        s = d.found.spread
        if s.n == 0:
            continue
        sure = d.t_holm is not None and d.t_holm < 1 - float(found.about["confidence"])
        half = 50 * (s.high - s.low) if s.high is not None and s.low is not None else np.nan
        colour = COLOURS["global" if s.mean > 0 else "layerwise"] if sure else MUTED
        axes.errorbar(
            [scale * d.budget],
            [100 * s.mean],
            yerr=[half],
            fmt="D",
            markersize=4,
            capsize=3,
            color=colour,
            markerfacecolor=colour if sure else "white",
        )
    _plain(axes)


def _halves(rows: Sequence[Row]) -> list[float]:
    return [
        50 * (r.accuracy.high - r.accuracy.low) if r.accuracy.high is not None and r.accuracy.low is not None else 0.0
        for r in rows
    ]


def _wrapped(method: str) -> list[str]:
    """The preset, and what stands behind it on a line of its own."""
    name, *behind = method.split(maxsplit=1)
    return [name, *behind]


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.margins(y=0.12)
