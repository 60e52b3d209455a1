"""``layers.png``: the kept share of each layer in forward order, above what the layers cost."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from easiedge.report.kept_share import KeptShares
from easiedge.report.pictures import DENSE, KEPT, MUTED

COLLAPSED, PALE = "#c23b3b", "#e7ecf2"
LABELLED = 60  # with more layers only collapsed ones carry their figure
WIDTH = (6.0, 16.0)  # inches of all bars, while a bar is neither wider nor narrower than it can be read
SLOT = (0.155, 0.28)  # inches a bar


def draw_kept_shares(shares: KeptShares, path: Path, title: str = "") -> None:
    """Draw `kept_share_figure` into ``path`` (PNG or SVG by its suffix)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept_share_figure(shares, title).savefig(path, dpi=130)


def kept_share_figure(shares: KeptShares, title: str = "") -> Figure:
    """The picture, for notebooks.

    Above: a bar for each group, red where it has collapsed, with the shares of the whole network and of a collapse as lines.
    Below: each group's share of the MACs of all these layers in the dense network, and what is left of it; units where MACs
    are not counted.
    """
    number = len(shares.groups)
    bars = min(max(number * SLOT[1], WIDTH[0]), max(number * SLOT[0], WIDTH[1]))
    names = [g.name for g in shares.groups]
    size = 8 if number <= 30 else 7 if number <= LABELLED else 6
    tall = 0.068 * size / 6 * max(map(len, names), default=0)  # inches of the longest name, upright
    figure = Figure(figsize=(bars + 1.1, 4.6 + tall), layout="constrained")
    upright = bars / max(number, 1) < 0.6
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.2))
    _shares(above, shares, upright)
    _costs(below, shares)
    flat = not upright and max(map(len, names), default=0) <= 10
    below.set_xticks(range(number), names, rotation=0 if flat else 90, fontsize=size)
    below.set_xlim(-0.6, number - 0.4)
    above.tick_params(axis="x", length=0)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _shares(axes: Axes, shares: KeptShares, upright: bool) -> None:
    number = len(shares.groups)
    values = [g.share for g in shares.groups]
    axes.bar(range(number), [1.0] * number, color=PALE, width=0.8)
    axes.bar(range(number), values, color=[COLLAPSED if g.collapsed else KEPT for g in shares.groups], width=0.8)
    size = 8 if number <= 30 else 6.5
    for i, group in enumerate(shares.groups):
        if group.collapsed or number <= LABELLED:
            text = f"{group.kept} of {group.size}"
            inside = upright and group.share > 0.6
            at = group.share - 0.015 if inside else max(group.share, shares.least * group.collapsed) + 0.015
            colour = "white" if inside else COLLAPSED if group.collapsed else MUTED
            box = {"facecolor": PALE, "edgecolor": "none", "pad": 0.4}  # where one of the lines would cross the figure
            axes.text(
                i, at, text, ha="center", va="top" if inside else "bottom", fontsize=size, color=colour, rotation=90 if upright else 0,
                bbox=None if group.share > 0.6 else box,
            )  # fmt: skip
    axes.axhline(
        shares.overall, color=MUTED, linewidth=1, linestyle="--", label=f"all layers: {100 * shares.overall:.1f} %"
    )
    axes.axhline(
        shares.least, color=COLLAPSED, linewidth=1, linestyle=":", label=f"collapsed below {100 * shares.least:.3g} %"
    )
    axes.set_ylim(0, 1 if upright else 1.08)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.set_ylabel("units kept")
    _finish(axes)


def _costs(axes: Axes, shares: KeptShares) -> None:
    groups = shares.groups
    before = [g.macs_before or 0.0 for g in groups] if shares.counted else [float(g.size) for g in groups]
    after = [g.macs_after or 0.0 for g in groups] if shares.counted else [float(g.kept) for g in groups]
    total = sum(before) or 1.0
    axes.bar(range(len(groups)), [b / total for b in before], color=DENSE, width=0.8, label="dense")
    axes.bar(range(len(groups)), [a / total for a in after], color=KEPT, width=0.8, label="after")
    axes.set_ylabel("share of MACs" if shares.counted else "share of units")
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.1)
    axes.spines[["top", "right"]].set_visible(False)
