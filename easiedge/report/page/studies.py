"""The studies below the directory: rows and paired differences of each ``comparison.json``, as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from easiedge.errors import RunError
from easiedge.report.comparison_record import comparison_of
from easiedge.report.comparison_text import TextTable, heading, tables
from easiedge.report.page.links import link, shown

MOST_ROWS, MOST_STUDIES = 200, 10


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
        known = comparison_of(path.read_text(encoding="utf-8"))
        rows, *differences = tables(known)
        cut = [_cut(table) for table in (*differences, rows)]
        return {"heading": heading(known), "tables": cut, "notes": [str(note) for note in known.notes]}
    except (RunError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {"notes": [f"its tables are not shown: {' '.join(str(error).split())[:200]}"]}


def _cut(table: TextTable) -> dict[str, Any]:
    """The table for the template, with its first rows."""
    return {
        "title": table.title,
        "head": [*table.head],
        "rows": [[*row] for row in table.rows[:MOST_ROWS]],
        "more": max(len(table.rows) - MOST_ROWS, 0),
        "texts": table.texts,
    }
