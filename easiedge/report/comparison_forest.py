"""The picture of many methods side by side: a line for each with its interval, a panel for each budget."""

from __future__ import annotations

import textwrap

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from easiedge.report.comparison_marks import (
    COLOURS,
    MARKERS,
    Ends,
    bar,
    budget_text,
    ends,
    heading,
    plain_text,
    reference,
)
from easiedge.report.comparison_values import Comparison, Row

WIDTH = 34  # letters of a method's name on a line


def forest_figure(found: Comparison) -> Figure:
    """One panel for each budget, in which all methods stand one below the other in the order of the study."""
    rows = [row for row in found.rows if row.budget is not None]
    budgets = list(dict.fromkeys(row.budget for row in rows))
    names = list(dict.fromkeys((row.method, row.scope) for row in rows))
    labels = [textwrap.fill(plain_text(method), WIDTH) for method, _ in names]
    lines = sum(1 + 0.6 * label.count("\n") for label in labels)
    figure = Figure(figsize=(2.6 + 3.1 * len(budgets), 1.5 + 0.27 * lines), layout="constrained")
    axes = figure.subplots(1, len(budgets), squeeze=False, sharey=True)[0]
    for panel, budget in zip(axes, budgets, strict=True):
        own = [row for row in rows if row.budget == budget]
        _panel(panel, found, own, names, ends(found, own))
        panel.set_title(budget_text(str(found.about["by"]), float(budget or 0)), fontsize=9)
    axes[0].set_yticks(range(len(names)), labels, fontsize=8)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    handles: dict[str, Artist] = {}
    for panel in axes:
        handles |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8
    )
    figure.suptitle(heading(found), fontsize=10)
    return figure


def _panel(axes: Axes, found: Comparison, rows: list[Row], names: list[tuple[str, str]], limits: Ends) -> None:
    for line in range(len(names)):
        axes.axhline(line, color="#000000", alpha=0.06, linewidth=0.8, zorder=0)
    reference(found, axes.axvline)
    for row in rows:
        s = row.accuracy
        axes.errorbar(
            [100 * s.mean], [names.index((row.method, row.scope))], xerr=[bar(s)], fmt=MARKERS[row.scope],
            color=COLOURS[row.scope], markersize=4.5, capsize=2.5, linewidth=1.3, label=row.scope,
        )  # fmt: skip
    axes.set_xlim(*limits)
    axes.set_xlabel("test accuracy [%]", fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.tick_params(axis="y", length=0)
