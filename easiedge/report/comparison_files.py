"""The files of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from easiedge.atomic import write_atomically
from easiedge.report.comparison_csv import differences_csv, rows_csv
from easiedge.report.comparison_latex import as_latex
from easiedge.report.comparison_record import as_json
from easiedge.report.comparison_text import DIFFERENCE_HEAD, difference_cells, difference_tables, heading, table
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
    head, rows = table(found)
    parts = [heading(found), "", *_lines(head, rows)]
    for title, differences in difference_tables(found):
        parts += ["", f"**{title}**", "", *_lines(DIFFERENCE_HEAD, [difference_cells(d) for d in differences])]
    parts += ["", ASSUMPTIONS, *(f"\n- {note}" for note in found.notes)]
    return "\n".join(parts) + "\n"


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_line(head), "|" + "---|" * len(head), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(c.split()).replace("|", "\\|") for c in cells) + " |"
