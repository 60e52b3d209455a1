"""A comparison as CSV: shares and accuracies in [0, 1], differences as shares, empty where there is no figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from easiedge.report.comparison_text import CONTROL
from easiedge.report.comparison_values import Comparison
from easiedge.report.page.csv_file import guarded

Cell = str | float | int | None


def rows_csv(found: Comparison) -> str:
    """One line for each method, scope and budget."""
    achieved = sorted({name for row in found.rows for name in row.achieved})
    head = [
        "method", "scope", "budget", "n", "accuracy", "deviation", "low", "high", "accuracy_before_finetune",
        "minus_control", "minus_control_low", "minus_control_high", *achieved, "reached", "seconds",
    ]  # fmt: skip
    rows: list[list[Cell]] = []
    for row in found.rows:
        a, control = row.accuracy, row.minus_control.spread if row.minus_control else None
        rows.append(
            [
                row.method or CONTROL, row.scope, row.budget, a.n, a.mean, a.deviation, a.low, a.high, row.before.mean,
                *((control.mean, control.low, control.high) if control else (None, None, None)),
                *(row.achieved.get(name) for name in achieved), row.reached, row.seconds,
            ]
        )  # fmt: skip
    return _text(head, rows)


def differences_csv(found: Comparison) -> str:
    """One line for each paired difference, with p-values as they are and after Holm's correction."""
    head = [
        "kind", "budget", "left", "right", "pairs", "difference", "deviation", "low", "high", "t_p", "t_holm", "wilcoxon_p", "wilcoxon_holm",
        "why_not",
    ]  # fmt: skip
    rows: list[list[Cell]] = []
    for d in found.differences:
        s = d.found.spread
        tests: list[Cell] = [d.found.t_p, d.t_holm, d.found.wilcoxon_p, d.wilcoxon_holm]
        rows.append(
            [d.kind, d.budget, d.left, d.right, s.n, s.mean, s.deviation, s.low, s.high, *tests, d.found.why_not]
        )
    return _text(head, rows)


def _text(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _cell(cell: Cell) -> str:
    """Six digits of a figure; texts are safe to open in a spreadsheet."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ""
    if isinstance(cell, str):
        return str(guarded(cell))
    return f"{cell:.6g}"
