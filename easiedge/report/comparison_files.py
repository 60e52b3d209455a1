"""The files of a comparison."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from easiedge.atomic import write_atomically
from easiedge.report.comparison_csv import differences_csv, rows_csv
from easiedge.report.comparison_latex import as_latex
from easiedge.report.comparison_record import as_json
from easiedge.report.comparison_text import TextTable, heading, tables
from easiedge.report.comparison_values import Comparison
from easiedge.report.paired import ASSUMPTIONS

STEM = "comparison"


def write_comparison(found: Comparison, directory: Path) -> list[Path]:
    """``comparison.json``, ``.md``, ``.tex``, ``.csv`` and ``comparison_differences.csv`` in ``directory``."""
    texts = {
        ".json": as_json(found), ".md": as_markdown(found), ".tex": as_latex(found), ".csv": rows_csv(found),
        "_differences.csv": differences_csv(found),
    }  # fmt: skip
    paths = [directory / f"{STEM}{suffix}" for suffix in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_atomically(path, text)
    return paths


def as_markdown(found: Comparison) -> str:
    """All tables, the assumptions and the notes."""
    rows, *differences = tables(found)
    parts = [markdown(heading(found)), "", *_lines(rows)]
    for table in differences:
        parts += ["", f"**{markdown(table.title)}**", "", *_lines(table)]
    parts += ["", ASSUMPTIONS, *(f"\n- {markdown(note)}" for note in found.notes)]
    return "\n".join(parts) + "\n"


def markdown(text: str) -> str:
    """The text on one line, with what could be read as HTML, a formula, a link or emphasis escaped."""
    return re.sub(r"[\\|$`*]|<(?=[A-Za-z/!?])|(?<=\])\(", r"\\\g<0>", " ".join(text.split()))


def _lines(table: TextTable) -> list[str]:
    return [_line(table.head), "|" + "---|" * len(table.head), *map(_line, table.rows)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(markdown, cells)) + " |"
