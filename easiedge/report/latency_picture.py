"""The picture of a latency table: milliseconds by width for the heaviest layers, measured and fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from easiedge.deploy.latency.surface import Surface
from easiedge.deploy.latency.table import LatencyTable
from easiedge.report.latency_terminal import heaviest

ALIGNED, OTHER, MUTED, PANELS = "#1f5fa8", "#d1602a", "#9aa5b1", 6


def latency_picture(table: LatencyTable, path: Path) -> None:
    """Draw ``table`` into ``path`` (PNG or SVG by its suffix): one panel a kind of layer.

    Points are measured layers; lines are the model along output widths, for the widest input of the measured ones, with widths
    on the engine's fast road in one colour and the others in another.
    """
    rows = heaviest(table)[:PANELS]
    columns = min(3, len(rows))
    figure = Figure(figsize=(4.2 * columns, 3.1 * -(-len(rows) // columns) + 0.5), layout="constrained")
    panels = list(figure.subplots(-(-len(rows) // columns), columns, squeeze=False).flat)
    for axes, (kind, _, layers) in zip(panels, rows, strict=False):
        _panel(axes, table.surfaces[kind], layers)
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    setting = table.setting
    figure.suptitle(f"{setting.engine} {setting.version}, {setting.threads} thread(s), {setting.machine}", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _panel(axes: Axes, surface: Surface, layers: int) -> None:
    s, form = surface.samples, surface.form
    fast = (s.inputs % form.alignment == 0) & (s.outputs % form.alignment == 0)
    products = s.inputs * s.outputs
    tied = bool((s.inputs == s.outputs).all())
    across = s.outputs if tied else products
    for chosen, colour, label in ((fast, ALIGNED, "aligned"), (~fast, OTHER, "others")):
        if not chosen.any():
            continue
        axes.scatter(
            across[chosen], 1e3 * s.ms[chosen], s=9, alpha=0.5, color=colour, linewidths=0, label=f"{label}, measured"
        )
        predicted = surface.ms(s.inputs[chosen], s.outputs[chosen])
        axes.scatter(
            across[chosen], 1e3 * predicted, s=14, marker="_", color=colour, linewidths=1, label=f"{label}, model"
        )
    axes.set_title(f"{surface.kind}" + (f" ({layers} layers)" if layers > 1 else ""), fontsize=8.5, wrap=True)
    axes.set_xlabel("channels" if tied else "channels in x channels out", fontsize=8)
    axes.set_ylabel("microseconds", fontsize=8)
    axes.set_ylim(bottom=0, top=1.1e3 * float(np.max(s.ms)))
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=6.5, frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
