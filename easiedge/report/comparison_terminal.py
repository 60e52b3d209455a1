"""The closing tables of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from easiedge.report.comparison_text import NAMES, TextTable, heading, tables
from easiedge.report.comparison_values import Comparison

ALWAYS = (*NAMES, "accuracy [%]")  # columns of the narrowest terminal; the others come as far as they fit, these first:
FIRST = ("minus control", "runs")
BETWEEN = 3  # characters between two columns
LEAST = 16  # characters of a method's name on a line, at least
WRAPPED = ("method", "what")
IN_FILES = ("control",)  # tables of differences that only the files hold: the rows show them already


def print_comparison(found: Comparison, directory: Path, console: Console | None = None) -> None:
    """Print rows, differences and notes; differences that chance would rarely give stand out."""
    out = console or Console()
    rows, *differences = tables(found)
    if not out.is_terminal:
        out = Console(file=out.file, width=max(out.width, _needed(rows, range(len(rows.head)), wrap=False)))
    shown = _fitting(rows, out.width)
    cells = [[row[i] for i in shown] for row in rows.rows]
    out.print(_table(replace(rows, title=heading(found), head=[rows.head[i] for i in shown], rows=cells)))
    for table in differences:
        if table.differences[0].kind not in IN_FILES:
            certain = [d.t_holm is not None and d.t_holm < 1 - found.about["confidence"] for d in table.differences]
            out.print(_table(table, certain))
    for note in found.notes:
        out.print(f"note: {note}", style="yellow", markup=False, highlight=False)
    out.print(f"tables, pictures and figures: {directory}", highlight=False, soft_wrap=True, markup=False)


def _fitting(table: TextTable, width: int) -> list[int]:
    """The columns that are always there and those for which there is room beside them."""
    shown = {i for i, name in enumerate(table.head) if name in ALWAYS}
    for i in sorted(range(len(table.head)), key=lambda i: table.head[i] not in FIRST):
        if _needed(table, shown | {i}) <= width:
            shown.add(i)
    return sorted(shown)


def _needed(table: TextTable, columns: Iterable[int], wrap: bool = True) -> int:
    """Characters that the columns take, the first of them wrapped between words or not at all."""
    total = 0
    for i in columns:
        cells = [table.head[i], *(row[i] for row in table.rows)]
        widest = max(map(len, cells))
        if i == 0 and wrap:
            longest_word = max(len(word) for cell in cells for word in cell.split())
            widest = max(longest_word, min(LEAST, widest))
        total += widest + BETWEEN
    return total


def _table(table: TextTable, bold: Sequence[bool] = ()) -> Table:
    made = Table(title=escape(table.title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(table.head):
        justify: Literal["left", "right"] = "right" if i >= table.texts else "left"
        made.add_column(escape(name), justify=justify, overflow="fold", no_wrap=name not in WRAPPED)
    for i, row in enumerate(table.rows):
        made.add_row(*map(escape, row), style="bold" if bold and bold[i] else None)
    return made
