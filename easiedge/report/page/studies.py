"""The studies below the directory: rows and paired differences of each ``comparison.json``, as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from easiedge.errors import RunError
from easiedge.report.comparison_record import comparison_of
from easiedge.report.comparison_text import (
    DIFFERENCE_HEAD,
    DIFFERENCE_NAMES,
    NAMES,
    difference_cells,
    difference_tables,
    heading,
    table,
)
from easiedge.report.page.links import link, shown
from easiedge.report.paired import ASSUMPTIONS

MOST_ROWS, MOST_STUDIES = 200, 10


def studies(comparisons: Sequence[Path], root: Path, out: Path) -> list[dict[str, Any]]:
    """Of each study its name, its address and, where it can be read and is among the first ten, its tables: the differences first."""
    found = []
    for number, path in enumerate(comparisons):
        markdown = path.with_suffix(".md")
        target = markdown if markdown.is_file() else path
        study = {
            "name": shown(target, root),
            "link": link(target, out),
            "heading": "",
            "tables": [],
            "notes": [],
            "assumptions": ASSUMPTIONS,
        }
        found.append(study | (_content(path) if number < MOST_STUDIES else {}))
    return found


def _content(path: Path) -> dict[str, Any]:
    try:
        known = comparison_of(path.read_text(encoding="utf-8"))
        head, rows = table(known)
        tables = [
            _table(title, DIFFERENCE_HEAD, [difference_cells(d) for d in differences], DIFFERENCE_NAMES)
            for title, differences in difference_tables(known)
        ]
        tables.append(_table("All rows", head, rows, len(NAMES)))
        return {"heading": heading(known), "tables": tables, "notes": [str(note) for note in known.notes]}
    except (RunError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {"notes": [f"its tables are not shown: {' '.join(str(error).split())[:200]}"]}


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> dict[str, Any]:
    """A table whose first ``texts`` columns are text, the others figures."""
    return {
        "title": title,
        "head": [*head],
        "rows": [[*row] for row in rows[:MOST_ROWS]],
        "more": max(len(rows) - MOST_ROWS, 0),
        "texts": texts,
    }
