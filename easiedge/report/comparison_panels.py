"""The picture of methods that were run in both scopes: accuracy at every budget, and the paired difference of the scopes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from easiedge.report.comparison_marks import (
    COLOURS,
    MARKERS,
    NOTHING,
    Ends,
    bar,
    budget_label,
    ends,
    heading,
    plain_text,
    reference,
    scale,
)
from easiedge.report.comparison_values import Comparison, Difference
from easiedge.report.pictures import MUTED

SHIFT = {"global": -0.012, "layerwise": 0.012}  # of the budgets' width, so that intervals stand beside each other
COLUMNS = 4  # of panels at most
WIDTH = 38  # letters of a title's line
STEEP = 3  # a panel that needs so many times the narrowest one's range of accuracy has a scale of its own


def panels_figure(found: Comparison) -> Figure:
    """One column for each method: accuracy with intervals above, global minus layerwise below."""
    methods = list(dict.fromkeys(row.method for row in found.rows if row.budget is not None))
    both = any(d.kind == "scope" for d in found.differences)
    columns = columns_for(len(methods))
    lines = -(-len(methods) // columns)
    heights = (3, 1.5) if both else (3,)
    figure = Figure(figsize=(3.3 * columns + 0.8, lines * (sum(heights) + 0.6) + 0.5), layout="constrained")
    axes = figure.subplots(lines * len(heights), columns, squeeze=False, height_ratios=heights * lines, sharex=True)
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
        here = methods[row * columns : (row + 1) * columns]
        axes[row * len(heights)][0].set_ylabel("test accuracy [%]")
        _scaled(axes[row * len(heights)], [ends(found, [r for r in found.rows if r.method == m]) for m in here])
        if both:
            axes[row * len(heights) + 1][0].set_ylabel("global - layerwise\n[points]", fontsize=8)
            _scaled(axes[row * len(heights) + 1], [_difference_ends(_of_method(found, m)) for m in here])
    handles = dict(zip(*reversed(axes[0][0].get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8
    )
    figure.suptitle(heading(found), fontsize=10)
    return figure


def columns_for(panels: int) -> int:
    """Columns that leave the fewest places empty; the more of them the better where that is equal."""
    return min(range(1, COLUMNS + 1), key=lambda c: (-panels % c + (c < min(panels, COLUMNS - 1)) * panels, -c))


def _accuracy(axes: Axes, found: Comparison, method: str) -> None:
    factor = scale(str(found.about["by"]))
    budgets = sorted({factor * r.budget for r in found.rows if r.budget is not None})
    width = (budgets[-1] - budgets[0]) or 1.0
    reference(found, axes.axhline)
    for scope, colour in COLOURS.items():
        rows = sorted((r for r in found.rows if r.method == method and r.scope == scope), key=lambda r: r.budget or 0)
        if rows:
            x = [factor * (r.budget or 0) + SHIFT[scope] * width for r in rows]
            y = [100 * r.accuracy.mean for r in rows]
            axes.errorbar(
                x,
                y,
                yerr=[bar(r.accuracy) for r in rows],
                fmt=f"{MARKERS[scope]}-",
                color=colour,
                markersize=4,
                capsize=3,
                linewidth=1.4,
                label=scope,
            )
    axes.set_title(plain_text(textwrap.fill(method, WIDTH)), fontsize=9)
    axes.set_xticks(budgets)
    axes.set_xlim(budgets[0] - 0.2 * width, budgets[-1] + 0.2 * width)
    _plain(axes)


def _difference(axes: Axes, found: Comparison, method: str) -> None:
    factor = scale(str(found.about["by"]))
    axes.axhline(0, color=NOTHING, linewidth=1)
    for d in _of_method(found, method):
        s = d.found.spread
        if s.n == 0:
            continue
        sure = d.t_holm is not None and d.t_holm < 1 - float(found.about["confidence"])
        colour = COLOURS["global" if s.mean > 0 else "layerwise"] if sure else MUTED
        axes.errorbar(
            [factor * d.budget],
            [100 * s.mean],
            yerr=[bar(s)],
            fmt="D",
            markersize=4,
            capsize=3,
            color=colour,
            markerfacecolor=colour if sure else "white",
        )
    _plain(axes)


def _of_method(found: Comparison, method: str) -> list[Difference]:
    own = (d for d in found.differences if d.kind == "scope" and d.left == f"{method}, global")
    return sorted(own, key=lambda d: d.budget)


def _difference_ends(differences: Sequence[Difference]) -> Ends:
    """Of an axis of differences [points]: all intervals, and no difference."""
    spreads = [d.found.spread for d in differences if d.found.spread.n]
    low = 100 * min([0.0, *(s.mean if s.low is None else s.low for s in spreads)])
    high = 100 * max([0.0, *(s.mean if s.high is None else s.high for s in spreads)])
    margin = 0.12 * max(high - low, 0.1)
    return low - margin, high + margin


def _scaled(panels: Sequence[Axes], wanted: Sequence[Ends]) -> None:
    """One scale for all panels of a line, but for those that would press the others flat: they have their own, with its figures."""
    spans = [high - low for low, high in wanted]
    alike = [own for own, span in zip(wanted, spans, strict=True) if span <= STEEP * min(spans)]
    common = (min(low for low, _ in alike), max(high for _, high in alike))
    before = None
    for axes, own in zip(panels, wanted, strict=False):
        limits = common if own in alike else own
        axes.set_ylim(*limits)
        axes.tick_params(labelleft=limits != before)
        before = limits


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.margins(y=0.12)
