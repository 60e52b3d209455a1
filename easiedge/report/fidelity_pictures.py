"""The pictures of ``easiedge score``: approximations against the oracle, and accuracy as units go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from easiedge.report.fidelity_record import Fidelity

COLOURS = ("#1f5fa8", "#d1602a", "#3a8f5c", "#8a56a8", "#b8902a", "#c23b5a", "#4aa3b8", "#7a6a5a")
MARKS = "os^DvP*X"
MUTED = "#9aa5b1"


def draw_fidelity(found: Fidelity, record: Mapping[str, Any], directory: Path) -> list[Path]:
    """``scatter.png`` and ``curves.png``, whichever there is something to draw for; returns their paths."""
    about, made = f"{record['model']} on {record['data']}, {record['units']} units, {record['images']} images", []
    if found.truth:
        truth = np.concatenate(list(found.truth.values()))
        scores = {
            c.label: np.concatenate([c.values[g][found.measured[g]] for g in found.truth]) for c in found.criteria
        }
        rho = {c.label: c.agreement.spearman.value for c in found.criteria if c.agreement is not None}
        scatter_picture(truth, scores, rho, about, directory / "scatter.png")
        made.append(directory / "scatter.png")
    if record["curves"]:
        where = f"{record['evaluation_images']} {record['split']} images"
        curves_picture(
            record["curves"], record["dense_accuracy"], f"{about}; accuracy on {where}", directory / "curves.png"
        )
        made.append(directory / "curves.png")
    return made


def scatter_picture(
    truth: NDArray[np.float64],
    scores: Mapping[str, NDArray[np.float64]],
    rho: Mapping[str, float],
    title: str,
    path: Path,
) -> None:
    """Each criterion's rank of a unit against its exact information gain: one panel a criterion, best agreement first."""
    labels = sorted(scores, key=lambda k: -np.nan_to_num(rho[k], nan=-2))
    columns = min(4, len(labels))
    rows = -(-len(labels) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.9 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    positive = truth[truth > 1e-9]
    least = positive.min() / 10 if len(positive) else 1e-10  # what loses nothing stands apart, at the left
    for axes, label in zip(panels.flat, labels, strict=False):
        ranks = scores[label].argsort().argsort() / max(len(truth) - 1, 1)
        axes.scatter(truth.clip(min=least), ranks, s=6, alpha=0.45, color=COLOURS[0], linewidths=0)
        axes.set_xscale("log")
        axes.set_title(f"{wrapped(label)}\nSpearman {rho[label]:.3f}", fontsize=8.5)
        axes.tick_params(labelsize=7)
        axes.set_xlabel("exact information gain [nats]", fontsize=8)
        _plain(axes)
    for axes in list(panels.flat)[len(labels) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("rank of the score", fontsize=8)
    figure.suptitle(title, fontsize=11)
    _save(figure, path)


def curves_picture(rows: Sequence[Mapping[str, Any]], dense: float, title: str, path: Path) -> None:
    """Accuracy against the share removed: one panel for each scope and compensation, shaded 95 % intervals over the images."""
    panels = list(dict.fromkeys((r["scope"], r["compensation"]) for r in rows))
    labels = _by_area(rows)
    figure = Figure(figsize=(4.6 * len(panels), 4.4 + 0.17 * -(-len(labels) // 3)), layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (scope, compensation) in zip(all_axes, panels, strict=True):
        axes.axhline(100 * dense, color=MUTED, linewidth=1, linestyle="--")
        for number, label in enumerate(labels):
            points = sorted(
                (r for r in rows if (r["criterion"], r["scope"], r["compensation"]) == (label, scope, compensation)),
                key=lambda r: r["removed"],
            )
            if not points:
                continue
            x = [100 * r["removed"] for r in points]
            colour, joint = COLOURS[number % len(COLOURS)], label.startswith("joint")
            style = "-" if number < len(COLOURS) else "--" if number < 2 * len(COLOURS) else ":"
            axes.plot(
                x, [100 * r["accuracy"] for r in points], style, marker=MARKS[number % len(MARKS)], color=colour, markersize=4,
                linewidth=2.4 if joint else 1.2, label=label, zorder=3 if joint else 2,
            )  # fmt: skip
            if number < 2 or len(labels) <= len(COLOURS):  # more bands would hide the lines
                low, high = ([100 * r[edge] for r in points] for edge in ("low", "high"))
                axes.fill_between(x, low, high, color=colour, alpha=0.12)
        axes.set_title(scope + (", refitted" if compensation == "least_squares" else ""), fontsize=10)
        axes.set_xlabel("units removed [%]")
        _plain(axes)
    all_axes[0].set_ylabel("accuracy without fine-tuning [%]")
    handles, names = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=7.5, frameon=False)
    figure.suptitle(title, fontsize=11)
    _save(figure, path)


def _by_area(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Criteria, the most accurate on average first, so that the legend reads like the picture."""
    labels = dict.fromkeys(r["criterion"] for r in rows)
    return sorted(labels, key=lambda k: -float(np.mean([r["accuracy"] for r in rows if r["criterion"] == k])))


def wrapped(label: str) -> str:
    """Options on a line of their own."""
    return label.replace(" ", "\n", 1) if len(label) > 30 else label


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
