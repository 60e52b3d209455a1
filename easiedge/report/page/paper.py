"""Charts for print: PNG with 300 dots an inch and SVG with text as paths, drawn by Matplotlib."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from easiedge.report.page.chart import Chart
from easiedge.report.page.paper_panels import clean, draw

DPI = 300
STYLE = {
    "text.parse_math": False, "text.usetex": False, "svg.fonttype": "path", "svg.hashsalt": "easiedge", "font.size": 8.5,
    "axes.titlesize": 9.5, "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.7, "legend.frameon": False,
    "legend.fontsize": 7, "lines.linewidth": 1.3, "lines.markersize": 4, "axes.grid": True, "grid.color": "#e6e9ee",
    "grid.linewidth": 0.6, "axes.axisbelow": True,
}  # fmt: skip


def write_pictures(charts: Iterable[Chart], folder: Path) -> list[Path]:
    """``KEY.png`` and ``KEY.svg`` of each chart; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in scripts that the font does not have
        for chart in charts:
            figure = picture(chart)
            around = figure.get_tightbbox().padded(0.05)
            for suffix, options in (("png", {"dpi": DPI}), ("svg", {"metadata": {"Date": None}})):
                path = folder / f"{chart.key}.{suffix}"
                figure.savefig(path, bbox_inches=around, **options)
                written.append(path)
    return written


def picture(chart: Chart) -> Figure:
    """One chart as a figure; a name is never read as mathematics."""
    with mpl.rc_context(STYLE):
        rows = len(getattr(chart, "rows", ()))
        columns = len(getattr(chart, "categories", getattr(chart, "columns", ())))
        height = min(max(3.3, 0.2 * rows + 1.2), 14.0) if chart.kind in ("forest", "heat") else 3.5
        width = min(max(5.6, 0.22 * columns + 1.5), 14.0) if chart.kind in ("bars", "heat") else 5.6
        figure = Figure(figsize=(width, height))
        axes: Any = figure.subplots()
        draw(axes, chart)
        axes.set_title(textwrap.fill(clean(chart.title), round(13 * width)), loc="left")
    return figure
