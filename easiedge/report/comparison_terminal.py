"""The closing tables of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from easiedge.report.comparison_text import (
    DIFFERENCE_HEAD,
    DIFFERENCE_NAMES,
    NAMES,
    difference_cells,
    difference_tables,
    heading,
    table,
)
from easiedge.report.comparison_values import Comparison

WIDTH = 150  # characters that all columns need
NARROW = (*NAMES, "accuracy [%]", "minus control", "runs")  # columns of a narrower terminal
IN_FILES = ("control",)  # tables of differences that only the files hold: the rows show them already


def print_comparison(found: Comparison, directory: Path, console: Console | None = None) -> None:
    """Print rows, differences and notes; differences that chance would rarely give stand out."""
    out = console or Console()
    if not out.is_terminal:
        out = Console(file=out.file, width=max(out.width, WIDTH))
    head, rows = table(found)
    shown = [i for i, name in enumerate(head) if out.width >= WIDTH or name in NARROW]
    cells = [[row[i] for i in shown] for row in rows]
    out.print(_table(heading(found), [head[i] for i in shown], cells, len(NAMES)))
    for title, chosen in difference_tables(found):
        if chosen[0].kind not in IN_FILES:
            certain = [d.t_holm is not None and d.t_holm < 1 - found.about["confidence"] for d in chosen]
            texts = [difference_cells(d) for d in chosen]
            out.print(_table(title, DIFFERENCE_HEAD, texts, DIFFERENCE_NAMES, certain))
    for note in found.notes:
        out.print(f"note: {note}", style="yellow", markup=False, highlight=False)
    out.print(f"tables, pictures and figures: {directory}", highlight=False, soft_wrap=True, markup=False)


def _table(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], right: int, bold: Sequence[bool] = ()
) -> Table:
    made = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(head):
        made.add_column(escape(name), justify="right" if i >= right else "left", overflow="fold", no_wrap=i >= right)
    for i, row in enumerate(rows):
        made.add_row(*map(escape, row), style="bold" if bold and bold[i] else None)
    return made
