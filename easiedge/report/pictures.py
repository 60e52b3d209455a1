"""The picture of one run: units kept per layer, the ADMM iterations, and the three accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from easiedge.report.layers_table import LayerRow

DENSE, KEPT, MUTED = "#c9d3e0", "#1f5fa8", "#5b6773"


def run_picture(metrics: Mapping[str, Any], rows: Sequence[LayerRow], path: Path) -> None:
    """Draw one run into ``path`` (PNG or SVG by its suffix)."""
    iterations = metrics["admm"]["iterations"]
    columns = 3 if iterations else 2
    layers = [r for r in rows if r.group]
    figure = Figure(figsize=(4.6 * columns, max(3.2, 0.2 * len(layers) + 1.4)), layout="constrained")
    axes = figure.subplots(1, columns)
    _units(axes[0], layers)
    if iterations:
        _residuals(axes[1], iterations)
    _accuracies(axes[-1], metrics)
    figure.suptitle(title_of(metrics), fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def title_of(metrics: Mapping[str, Any]) -> str:
    """What a run was, in one line."""
    return f"{metrics['model']} on {metrics['data']}, {metrics['method']}, seed {metrics['seed']}"


def _units(axes: Axes, rows: Sequence[LayerRow]) -> None:
    names = [r.layer for r in rows]
    axes.barh(names, [r.units_before for r in rows], color=DENSE, label="dense")
    axes.barh(names, [r.units_after for r in rows], color=KEPT, label="kept")
    for i, r in enumerate(rows):
        axes.text(r.units_before, i, f" {r.units_after / r.units_before:.0%}", va="center", fontsize=7, color=MUTED)
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.set_xlabel("units")
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    _plain(axes)


def _residuals(axes: Axes, iterations: Sequence[Mapping[str, Any]]) -> None:
    x = range(1, len(iterations) + 1)
    for key, label, style in (
        ("primal_residual", "primal residual", "o-"),
        ("dual_residual", "dual residual", "s-"),
        ("flipped", "gates flipped", "^--"),
    ):
        values = [i[key] if i[key] is not None else float("nan") for i in iterations]
        axes.plot(x, values, style, label=label, markersize=4)
    axes.set_yscale("symlog", linthresh=1e-2)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("ADMM iteration")
    axes.set_xticks(list(x))
    axes.legend(fontsize=8, frameon=False)
    _plain(axes)


def _accuracies(axes: Axes, metrics: Mapping[str, Any]) -> None:
    pruned = metrics["pruned"]
    names = ["dense", "pruned", "fine-tuned"]
    values = [metrics["dense"]["accuracy"], pruned["accuracy_before_finetune"], pruned["accuracy"]]
    bars = axes.bar(names, [100 * v for v in values], color=[DENSE, "#7fa8d6", KEPT], width=0.6)
    axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
    low = 100 * min(values)
    axes.set_ylim(max(0.0, low - max(2.0, 0.5 * (100 - low))), 100.5 if low > 60 else 100)
    axes.set_ylabel("test accuracy [%]")
    macs = pruned["macs"] / metrics["dense"]["macs"]
    axes.set_title(
        f"{pruned['filters'] / metrics['dense']['filters']:.0%} of the filters, {macs:.0%} of the MACs", fontsize=9
    )
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
