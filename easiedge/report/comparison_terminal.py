"""The closing tables of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from easiedge.report.comparison_text import NAMES, TextTable, heading, tables
from easiedge.report.comparison_values import Comparison

WIDTH = 150  # characters that all columns need
NARROW = (*NAMES, "accuracy [%]", "minus control", "runs")  # columns of a narrower terminal
IN_FILES = ("control",)  # tables of differences that only the files hold: the rows show them already


def print_comparison(found: Comparison, directory: Path, console: Console | None = None) -> None:
    """Print rows, differences and notes; differences that chance would rarely give stand out."""
    out = console or Console()
    if not out.is_terminal:
        out = Console(file=out.file, width=max(out.width, WIDTH))
    rows, *differences = tables(found)
    shown = [i for i, name in enumerate(rows.head) if out.width >= WIDTH or name in NARROW]
    cells = [[row[i] for i in shown] for row in rows.rows]
    out.print(_table(replace(rows, title=heading(found), head=[rows.head[i] for i in shown], rows=cells)))
    for table in differences:
        if table.differences[0].kind not in IN_FILES:
            certain = [d.t_holm is not None and d.t_holm < 1 - found.about["confidence"] for d in table.differences]
            out.print(_table(table, certain))
    for note in found.notes:
        out.print(f"note: {note}", style="yellow", markup=False, highlight=False)
    out.print(f"tables, pictures and figures: {directory}", highlight=False, soft_wrap=True, markup=False)


def _table(table: TextTable, bold: Sequence[bool] = ()) -> Table:
    made = Table(title=escape(table.title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(table.head):
        figure = i >= table.texts
        made.add_column(escape(name), justify="right" if figure else "left", overflow="fold", no_wrap=figure)
    for i, row in enumerate(table.rows):
        made.add_row(*map(escape, row), style="bold" if bold and bold[i] else None)
    return made
