"""The picture of a latency table: milliseconds by width for the heaviest layers, measured and fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from easiedge.deploy.latency.surface import Surface
from easiedge.deploy.latency.table import LatencyTable
from easiedge.report.latency_terminal import heaviest

PANELS, COLOURS = 6, colormaps["viridis_r"]


def latency_picture(table: LatencyTable, path: Path) -> None:
    """Draw ``table`` into ``path`` (PNG or SVG by its suffix): one panel a kind of layer.

    Time against the channels a layer makes.  Points are measured, lines are the model at a quarter, half and all of the
    channels that the layer reads, which are the colour.  Full points and lines are widths that the engine prefers, crosses and
    dashes the others.
    """
    rows = heaviest(table)[:PANELS]
    columns = min(3, len(rows))
    figure = Figure(figsize=(4.2 * columns, 3.2 * -(-len(rows) // columns) + 0.5), layout="constrained")
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
    s, alignment = surface.samples, surface.form.alignment[0]
    widest = float(s.inputs.max())
    tied = bool((s.inputs == s.outputs).all())
    fast = (s.inputs % alignment == 0) & (s.outputs % alignment == 0)
    for chosen, mark in ((fast, "o"), (~fast, "x")):
        shade = COLOURS(np.full(int(chosen.sum()), 0.9) if tied else s.inputs[chosen] / widest)
        axes.scatter(
            s.outputs[chosen], 1e3 * s.ms[chosen], s=11, marker=mark, c=shade, linewidths=0.9 if mark == "x" else 0
        )
    made = np.unique(np.concatenate([np.arange(1.0, s.outputs.max() + 1), s.outputs]))
    reads = [None] if tied else sorted({_near(s.inputs, share * widest) for share in (0.25, 0.5, 1.0)})
    for read in reads:
        _lines(axes, surface, made, read, COLOURS(0.9 if read is None else read / widest))
    if axes.get_legend_handles_labels()[1]:  # no line has one where no width is aligned
        axes.legend(fontsize=6.5, frameon=False, loc="upper left", title="channels in", title_fontsize=6.5)
    axes.set_title(f"{surface.kind}" + (f" ({layers} layers)" if layers > 1 else ""), fontsize=8, wrap=True)
    axes.set_xlabel("channels" if tied else "channels out", fontsize=8)
    axes.set_ylabel("microseconds", fontsize=8)
    axes.set_ylim(bottom=0, top=1.1e3 * float(np.max(s.ms)))
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _near(widths: NDArray[np.float64], wanted: float) -> float:
    """The measured width nearest to the one wanted, fast ones first."""
    off = np.abs(widths - wanted) / widths.max() + 0.2 * (widths % 16 != 0)
    return float(widths[np.argmin(off)])


def _lines(axes: Axes, surface: Surface, made: NDArray[np.float64], read: float | None, colour: object) -> None:
    aligned = made % surface.form.alignment[0] == 0
    for chosen, style in ((aligned, "-"), (~aligned, ":")):
        out = made[chosen]
        if len(out):
            ms = surface.ms(out if read is None else np.full(len(out), read), out)
            label = f"{read:.0f}" if read is not None and style == "-" else None
            axes.plot(out, 1e3 * ms, style, color=colour, linewidth=1.2, label=label)  # type: ignore[arg-type]
