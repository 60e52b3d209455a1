"""The studies below the directory: rows and paired differences of each ``comparison.json``, as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from easiedge.errors import RunError
from easiedge.report.comparison_record import comparison_of
from easiedge.report.comparison_text import TextTable, heading, tables
from easiedge.report.page.labels import cut
from easiedge.report.page.links import link, shown
from easiedge.report.runs.text import read_text

MOST_ROWS, MOST_STUDIES, MOST_NOTES = 200, 10, 50
LONGEST = 500  # characters of a cell or note


def studies(comparisons: Sequence[Path], root: Path, out: Path) -> list[dict[str, Any]]:
    """Of each study its name, its address and, where it can be read and is among the first ten, its tables: the differences first."""
    found = []
    for number, path in enumerate(comparisons):
        markdown = path.with_suffix(".md")
        target = markdown if markdown.is_file() else path
        study = {"name": shown(target, root), "link": link(target, out), "heading": "", "tables": [], "notes": []}
        found.append(study | (_content(path) if number < MOST_STUDIES else {}))
    return found


def _content(path: Path) -> dict[str, Any]:
    try:
        known = comparison_of(read_text(path))
        rows, *differences = tables(known)
        shortened = [_first_rows(table) for table in (*differences, rows)]
        notes, more = [cut(str(note), LONGEST) for note in known.notes[:MOST_NOTES]], len(known.notes) - MOST_NOTES
        return {
            "heading": cut(heading(known), LONGEST), "tables": shortened, "notes": [*notes, *([f"and {more:,} notes more"] if more > 0 else [])]
        }  # fmt: skip
    except (RunError, OSError, ValueError, ArithmeticError, KeyError, TypeError, AttributeError) as error:
        return {"notes": [f"its tables are not shown: {' '.join(str(error).split())[:200]}"]}


def _first_rows(table: TextTable) -> dict[str, Any]:
    """The table for the template, with its first rows."""
    return {
        "title": cut(table.title, LONGEST),
        "head": [*table.head],
        "rows": [[cut(cell, LONGEST) for cell in row] for row in table.rows[:MOST_ROWS]],
        "more": max(len(table.rows) - MOST_ROWS, 0),
        "texts": table.texts,
    }
