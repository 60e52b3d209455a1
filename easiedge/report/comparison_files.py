"""The files of a comparison, and its cells as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from easiedge.atomic import write_atomically
from easiedge.report.comparison import Comparison, Difference, Row
from easiedge.report.comparison_record import as_json
from easiedge.report.paired import ASSUMPTIONS, PairedDifference, Spread

STEM = "comparison"
CONTROL = "control"
HEAD = (
    "method",
    "scope",
    "budget",
    "accuracy [%]",
    "before [%]",
    "minus control",
    "params gone [%]",
    "MACs gone [%]",
    "runs",
)
DIFFERENCE_HEAD = ("budget", "what", "difference [points]", "p (t)", "p (Wilcoxon)", "pairs")


def write_comparison(found: Comparison, directory: Path) -> list[Path]:
    """``comparison.json``, ``.md`` and ``.csv`` in ``directory``."""
    texts = {"json": as_json(found), "md": as_markdown(found), "csv": as_csv(found)}
    paths = [directory / f"{STEM}.{suffix}" for suffix in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_atomically(path, text)
    return paths


def as_csv(found: Comparison) -> str:
    """The rows, one a line, accuracies in [0, 1]."""
    text = io.StringIO()
    achieved = sorted({name for row in found.rows for name in row.achieved})
    columns = [
        "method",
        "scope",
        "budget",
        "n",
        "accuracy",
        "deviation",
        "low",
        "high",
        "accuracy_before_finetune",
        "minus_control",
        *achieved,
        "reached",
        "seconds",
    ]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in found.rows:
        a, control = row.accuracy, row.minus_control.spread.mean if row.minus_control else None
        figures = [
            a.n,
            a.mean,
            a.deviation,
            a.low,
            a.high,
            row.before.mean,
            control,
            *(row.achieved.get(name) for name in achieved),
            row.reached,
            row.seconds,
        ]
        name = row.method or CONTROL
        writer.writerow(
            [
                name,
                row.scope,
                "" if row.budget is None else row.budget,
                *("" if f is None else f"{f:.6g}" for f in figures),
            ]
        )
    return text.getvalue()


def as_markdown(found: Comparison) -> str:
    """Both tables, the assumptions and the notes."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(" ".join(c.split()).replace("|", "\\|") for c in cells) + " |"

    parts = [heading(found), "", line(HEAD), "|" + "---|" * len(HEAD), *(line(cells) for cells in table(found))]
    for title, rows in difference_tables(found):
        parts += ["", f"**{title}**", "", line(DIFFERENCE_HEAD), "|" + "---|" * len(DIFFERENCE_HEAD)]
        parts += [line(difference_cells(d)) for d in rows]
    parts += ["", ASSUMPTIONS, *(f"\n- {note}" for note in found.notes)]
    return "\n".join(parts) + "\n"


def difference_tables(found: Comparison) -> list[tuple[str, list[Difference]]]:
    """Title and rows: global minus layerwise, and methods minus the first."""
    titles = {
        "scope": lambda rows: "Global minus layerwise",
        "method": lambda rows: f"Minus {rows[0].right.rpartition(',')[0]} at the same scope",
    }
    by_kind = {kind: [d for d in found.differences if d.kind == kind] for kind in titles}
    return [(titles[kind](rows), rows) for kind, rows in by_kind.items() if rows]


def heading(found: Comparison) -> str:
    """What was compared, in one line."""
    about = found.about
    return (
        f"{about['model']} on {about['data']}, matched in {str(about['by']).replace('_', ' ')}, {about['epochs']} epoch{'s' * (about['epochs'] != 1)} of training for each after the dense network (control: the dense network, trained as long); "
        f"dense {interval(found.dense)} % (test accuracy, mean ± half of the {100 * about['confidence']:g} % interval)"
    )  # fmt: skip


def table(found: Comparison) -> list[list[str]]:
    """The rows as text."""
    return [_row_cells(row) for row in found.rows]


def _row_cells(row: Row) -> list[str]:
    budget = "-" if row.budget is None else f"{row.budget:g}"
    return [
        row.method or CONTROL, row.scope or "-", budget, interval(row.accuracy), interval(row.before),
        points(row.minus_control) if row.minus_control else "-",
        *(f"{100 * row.achieved[name]:.1f}" if name in row.achieved else "-" for name in ("params_removed", "macs_removed")),
        str(row.accuracy.n),
    ]  # fmt: skip


def difference_cells(d: Difference) -> list[str]:
    """One difference as text."""
    what = d.left.rpartition(",")[0] if d.kind == "scope" else d.left
    return [
        f"{d.budget:g}",
        what,
        points(d.found),
        p_value(d.t_holm),
        p_value(d.wilcoxon_holm),
        str(len(d.found.seeds)),
    ]


def interval(s: Spread) -> str:
    """Mean in per cent, with half of the interval where there is one."""
    if s.n == 0:
        return "-"
    return f"{100 * s.mean:.2f}" + (
        f" ± {50 * (s.high - s.low):.2f}" if s.high is not None and s.low is not None else ""
    )


def points(d: PairedDifference) -> str:
    """Mean difference in points and its interval."""
    s = d.spread
    if s.n == 0:
        return "-"
    return f"{100 * s.mean:+.2f}" + (
        f" [{100 * s.low:+.2f}, {100 * s.high:+.2f}]" if s.high is not None and s.low is not None else ""
    )


def p_value(p: float | None) -> str:
    """Three digits, as far as they mean something."""
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
