"""The picture of a comparison, as files."""

from __future__ import annotations

from pathlib import Path

from easiedge.report.comparison_forest import forest_figure
from easiedge.report.comparison_panels import panels_figure
from easiedge.report.comparison_values import Comparison

MANY = 3  # methods from which on each in a single scope is a line and not a panel


def draw_comparison(found: Comparison, stem: Path) -> list[Path]:
    """``STEM.png`` (300 dpi) and ``STEM.svg``; nothing where no cell but the control has finished."""
    methods = {row.method for row in found.rows if row.budget is not None}
    if not methods:
        return []
    alone = not any(d.kind == "scope" for d in found.differences)
    figure = forest_figure(found) if alone and len(methods) >= MANY else panels_figure(found)
    paths = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    for path in paths:
        figure.savefig(path, dpi=300)
    return paths
