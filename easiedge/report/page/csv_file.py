"""``runs.csv``: the table of all runs, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from easiedge.report.page.table import Cell, Column
from easiedge.report.paired import Spread

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(columns: Sequence[Column]) -> str:
    """A row for each run under the columns' names; texts that a spreadsheet would compute stand behind an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([guarded(c.name) for c in columns])
    writer.writerows([guarded(cell) for cell in row] for row in zip(*(c.cells for c in columns), strict=True))
    return text.getvalue()


def guarded(cell: Cell) -> Cell:
    """The cell; a text that begins like a formula, after an apostrophe."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULA):
        return f"'{cell}"
    return "" if cell is None else cell


def rows_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A row for each mapping; a `Spread` becomes its figures, a pair two columns."""
    flat = [dict(_cells(row)) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    columns = [Column(name, name, "text", tuple(row.get(name) for row in flat)) for name in names]
    return csv_text(columns)


def _cells(row: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    for name, value in row.items():
        if isinstance(value, Spread):
            yield from ((f"{name}_{f.name}", getattr(value, f.name)) for f in fields(Spread))
        elif isinstance(value, tuple):
            yield from zip((f"{name}_global", f"{name}_layerwise"), value, strict=True)
        else:
            yield name, value
