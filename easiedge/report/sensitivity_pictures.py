"""The pictures of ``easiedge sensitivity``: a curve for each group, and all of them as a heat map."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure

from easiedge.report.fidelity_pictures import COLOURS
from easiedge.report.sensitivity_record import GroupCurve, LayerSensitivity

FORMATS = ("png", "svg")
NAMED = len(COLOURS)  # groups that a legend can name; more are told apart by their depth
MUTED = "#5b6773"
WORST = 3  # groups that are named where there are too many for a legend


def draw_sensitivity(found: LayerSensitivity, directory: Path) -> list[Path]:
    """``sensitivity_curves`` and ``sensitivity_heat_map`` as PNG and SVG; returns the paths of the PNGs."""
    about = f"{found.model} on {found.data}, one layer pruned at a time by {found.criterion.replace('_', ' ')}"
    refit = ", refitted in closed form" if found.compensation == "least_squares" else ", no fine-tuning"
    title = (
        f"{about}\naccuracy on {found.images:,} {'validation' if found.split == 'val' else found.split} images{refit}"
    )
    drawn = {"sensitivity_curves": curves(found), "sensitivity_heat_map": heat_map(found)}
    for name, figure in drawn.items():
        figure.suptitle(title, fontsize=10)
        for form in FORMATS:
            figure.savefig(directory / f"{name}.{form}", dpi=150)
    return [directory / f"{name}.png" for name in drawn]


def curves(found: LayerSensitivity) -> Figure:
    """Accuracy against the share of one group that goes, coloured by depth; the dense network is the dashed line."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes, few = figure.subplots(), len(found.groups) <= NAMED
    depth, colours = Normalize(1, max(len(found.groups), 2)), _depths()
    axes.axhline(100 * found.dense, color=MUTED, linewidth=1, linestyle="--")
    for number, group in enumerate(found.groups, 1):
        x, y = zip(*_points(found, group), strict=True)
        colour = COLOURS[number - 1] if few else colours(depth(number))
        axes.plot(
            x, y, "o-" if few else "-", color=colour, markersize=3.5, linewidth=1.5 if few else 1, label=group.name
        )
    axes.set_xlabel("units of the layer removed [%]")
    axes.set_ylabel("accuracy [%]")
    axes.set_xlim(0, 102)
    axes.spines[["top", "right"]].set_visible(False)
    if few:
        figure.legend(fontsize=8, frameon=False, loc="outside right center", title="first to last", title_fontsize=8)
    else:
        bar = figure.colorbar(ScalarMappable(depth, colours), ax=axes, pad=0.02)
        bar.set_label("layer, first to last", fontsize=8)
        bar.ax.tick_params(labelsize=7)
        worst = sorted(found.lost().items(), key=lambda item: -item[1])[:WORST]
        text = "\n".join(["most sensitive", *(name for name, _ in worst)])
        axes.text(0.02, 0.03, text, transform=axes.transAxes, fontsize=7.5, color=MUTED)
    return figure


def heat_map(found: LayerSensitivity) -> Figure:
    """Points of accuracy lost: a row for each group in forward order, a column for each share."""
    groups, shares = found.groups, found.shares
    lost = [[100 * (found.dense - a) for a in g.accuracy] for g in groups]
    size = 7.5 if len(groups) <= 30 else 6
    figure = Figure(
        figsize=(1.9 + 0.52 * len(shares) + 1.2, 1.5 + 0.02 * len(groups) * size * 1.35), layout="constrained"
    )
    axes = figure.subplots()
    most = max(max(max(row) for row in lost), 1.0)
    image = axes.imshow(lost, aspect="auto", cmap=_losses(), vmin=0, vmax=most)
    for i, row in enumerate(lost):
        for j, value in enumerate(row):
            colour = "white" if value > 0.55 * most else "#1c2733"
            axes.text(j, i, _points_lost(value), ha="center", va="center", fontsize=size - 0.5, color=colour)
    axes.set_xticks(range(len(shares)), [f"{100 * s:g}" for s in shares], fontsize=size)
    axes.set_yticks(range(len(groups)), [f"{g.name} ({g.size})" for g in groups], fontsize=size)
    axes.set_xlabel("units of the layer removed [%]", fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=max(20, 0.9 * len(groups)))
    bar.set_label("points of accuracy lost", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _points(found: LayerSensitivity, group: GroupCurve) -> list[tuple[float, float]]:
    """Percentages that really went (a layer of four units loses a quarter at a time), from the whole layer on."""
    went = dict(zip(group.removed, group.accuracy, strict=True))
    return [(0.0, 100 * found.dense), *((100 * k / group.size, 100 * a) for k, a in sorted(went.items()) if k)]


def _points_lost(value: float) -> str:
    text = f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"
    return "0" if text in ("0.0", "-0.0") else text


def _depths() -> Colormap:
    """From dark to light by depth, without the yellow end that white paper swallows."""
    return ListedColormap(matplotlib.colormaps["viridis"]([0.9 * i / 255 for i in range(256)]))


def _losses() -> Colormap:
    """White where nothing is lost."""
    return matplotlib.colormaps["OrRd"]
