"""Draw the held-out networks from the saved results: predicted against measured, and the errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

COLOURS = {"1": "#4c72b0", "4": "#dd8452", "8": "#55a868", "unequal": "#c44e52"}
NAMES = {"1": "any width", "4": "multiples of 4", "8": "multiples of 8", "unequal": "very unequal"}
GOAL_MEDIAN, GOAL_WORST = 0.05, 0.15


def predicted_picture(out: Path, names: list[str]) -> None:
    """One panel a network: predicted against measured milliseconds, with 15 % on either side."""
    found = _found(out, names)
    figure = Figure(figsize=(3.6 * len(found), 3.7), layout="constrained")
    for axes, (name, result) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        measured = np.array([r["measured_ms"] for r in result["rows"]])
        line = np.array([measured.min() / 1.3, measured.max() * 1.3])
        axes.fill_between(line, line * (1 - GOAL_WORST), line * (1 + GOAL_WORST), color="0.92")
        axes.plot(line, line, color="0.6", linewidth=0.8)
        for kind, rows in _by_kind(result["rows"]).items():
            axes.scatter(
                [r["measured_ms"] for r in rows], [r["predicted_ms"] for r in rows], s=22, color=COLOURS[kind],
                label=NAMES[kind], zorder=3,
            )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlim=line, ylim=line, xlabel="measured, ms at nominal speed")
        axes.set_title(f"{name}, {result['input']}x{result['input']}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("predicted, ms")
    figure.axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    figure.savefig(out / "predicted.png", dpi=100)


def errors_picture(out: Path, names: list[str]) -> None:
    """Relative error of every held-out network against the share of its units removed, beside that of MACs."""
    found = _found(out, names)
    figure = Figure(figsize=(3.6 * len(found), 3.4), layout="constrained")
    panels = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
    for axes, (name, result) in zip(panels, found.items(), strict=True):
        dense = result["quality"]["dense_ms"]
        axes.axhspan(-100 * GOAL_WORST, 100 * GOAL_WORST, color="0.95")
        axes.axhspan(-100 * GOAL_MEDIAN, 100 * GOAL_MEDIAN, color="0.88")
        for k, (kind, rows) in enumerate(_by_kind(result["rows"]).items()):
            removed = np.array([float(r["network"].partition("%")[0]) for r in rows]) + 2.5 * (k - 1.5)
            error = [100 * (r["predicted_ms"] / r["measured_ms"] - 1) for r in rows]
            by_macs = [100 * (r["macs_kept"] * dense / r["measured_ms"] - 1) for r in rows]
            axes.scatter(removed, by_macs, s=16, marker="x", color=COLOURS[kind], alpha=0.45, linewidths=0.9)
            axes.scatter(removed, error, s=22, color=COLOURS[kind], label=NAMES[kind], zorder=3)
        axes.set(xlabel="units removed, %", ylim=(-60, 60), xticks=[10, 30, 50, 70, 90])
        axes.set_title(f"{name}, {result['input']}x{result['input']}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("error of the prediction, %")
    panels[0].legend(frameon=False, fontsize=8, loc="upper left")
    figure.suptitle("dots: the latency table; crosses: the share of MACs taken for the share of time", fontsize=9)
    figure.savefig(out / "errors.png", dpi=100)


def _found(out: Path, names: list[str]) -> dict[str, dict]:
    files = {name: out / f"{name}.json" for name in names}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def _by_kind(rows: list[dict]) -> dict[str, list[dict]]:
    kinds: dict[str, list[dict]] = {}
    for row in rows:
        kinds.setdefault(row["network"].rpartition(" ")[2], []).append(row)
    return kinds
