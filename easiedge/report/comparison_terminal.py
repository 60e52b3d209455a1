"""The closing tables of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from easiedge.report.comparison import Comparison
from easiedge.report.comparison_files import DIFFERENCE_HEAD, HEAD, difference_cells, difference_tables, heading, table

CERTAIN = 0.05
WIDTH = 130  # columns of text that every figure needs
NARROW = (0, 1, 2, 3, 5, 8)  # those of HEAD that a narrower terminal shows


def print_comparison(found: Comparison, directory: Path, console: Console | None = None) -> None:
    """Print rows, differences and notes; differences that chance would rarely give stand out."""
    out = console or Console()
    if not out.is_terminal:
        out = Console(file=out.file, width=max(out.width, WIDTH))
    shown = range(len(HEAD)) if out.width >= WIDTH else NARROW
    rows = [[cells[i] for i in shown] for cells in table(found)]
    out.print(_table(heading(found), [HEAD[i] for i in shown], rows, right=3))
    for title, chosen in difference_tables(found):
        certain = [d.t_holm is not None and d.t_holm < CERTAIN for d in chosen]
        out.print(_table(title, DIFFERENCE_HEAD, [difference_cells(d) for d in chosen], right=2, bold=certain))
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
