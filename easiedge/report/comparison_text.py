"""A comparison in words and figures: the cells of its tables, whatever they are written into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from easiedge.report.comparison_values import Comparison, Difference, Row
from easiedge.report.paired import PairedDifference, Spread

CONTROL = "control"
NAMES = ("method", "scope", "budget")  # columns of text
DIFFERENCE_HEAD = ("budget", "what", "difference [points]", "p (t)", "p (Wilcoxon)", "pairs")
DIFFERENCE_NAMES = 2  # columns of text among them
GONE = {"filters_removed": "filters", "params_removed": "params", "macs_removed": "MACs"}
ALSO = {"latency_ms": ("ms", 1.0), "memory_mb": ("memory MB", 1.0), "artifact_mb": ("artifact MB", 1.0)}
"""Shown where they are what is matched: head and factor."""


@dataclass(frozen=True)
class TextTable:
    """A table of a comparison.

    Attributes:
        title: what it shows.
        head: of its columns.
        texts: how many of these, from the left, are names; the others are figures.
        rows: cells.
        differences: what the rows were made of; none for the table of all rows.
    """

    title: str
    head: Sequence[str]
    texts: int
    rows: Sequence[Sequence[str]]
    differences: Sequence[Difference] = ()


def heading(found: Comparison) -> str:
    """What was compared, in one line."""
    about = found.about
    return (
        f"{about['model']} on {about['data']}, matched in {quantity(str(about['by']))}{_further(about.get('limits', {}))}, {about['epochs']} epoch{'s' * (about['epochs'] != 1)} of training for each after the dense network (control: the dense network, trained as long); "
        f"dense {interval(found.dense)} % (test accuracy, mean ± half of the {100 * about['confidence']:g} % interval)"
    )  # fmt: skip


def _further(limits: Mapping[str, float]) -> str:
    """The budgets that hold beside the matched one."""
    return f" (and for all {', '.join(f'{name}={value:g}' for name, value in limits.items())})" if limits else ""


def quantity(by: str) -> str:
    """The matched budget in words."""
    words = {
        "filters": "filters",
        "params": "parameters",
        "macs": "MACs",
        "latency": "milliseconds",
        "memory": "activation memory",
        "artifact": "artifact size",
    }
    return words.get(by.partition("_")[0], by) + (" removed" if by.endswith("_removed") else "")


def tables(found: Comparison) -> list[TextTable]:
    """All rows; then global minus layerwise, methods minus the first, and all minus the control."""
    titles = {
        "scope": lambda rows: "Global minus layerwise",
        "method": _title_of_methods,
        "control": lambda rows: "Minus the control",
    }
    by_kind = {kind: [d for d in found.differences if d.kind == kind] for kind in titles}
    return [
        _all_rows(found),
        *(
            TextTable(titles[kind](rows), DIFFERENCE_HEAD, DIFFERENCE_NAMES, [_difference_cells(d) for d in rows], rows)
            for kind, rows in by_kind.items()
            if rows
        ),
    ]


def _title_of_methods(rows: Sequence[Difference]) -> str:
    first = rows[0].right.rpartition(",")[0]
    same = all(row.left.rpartition(",")[2] == row.right.rpartition(",")[2] for row in rows)
    return f"Minus {first} at the same scope" if same else f"Minus {first}, each at its own scope"


def _all_rows(found: Comparison) -> TextTable:
    also = [name for name in ALSO if str(found.about["by"]).startswith(name)]
    head = [
        *NAMES,
        "accuracy [%]",
        "sd",
        "before [%]",
        "minus control",
        *(f"{name} gone [%]" for name in GONE.values()),
    ]
    head += [*(ALSO[name][0] for name in also), "runs"]
    return TextTable("All rows", head, len(NAMES), [_cells(row, also) for row in found.rows])


def _cells(row: Row, also: Sequence[str]) -> list[str]:
    deviation = row.accuracy.deviation
    return [
        row.method or CONTROL, row.scope or "-", "-" if row.budget is None else f"{row.budget:g}",
        interval(row.accuracy), "-" if deviation is None else f"{100 * deviation:.2f}", interval(row.before),
        points(row.minus_control) if row.minus_control else "-",
        *(f"{100 * row.achieved[name]:.1f}" if name in row.achieved else "-" for name in GONE),
        *(f"{row.achieved[name]:.4g}" if name in row.achieved else "-" for name in also),
        str(row.accuracy.n),
    ]  # fmt: skip


def _difference_cells(d: Difference) -> list[str]:
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
    return f"{100 * s.mean:.2f}" + (f" ± {100 * s.half:.2f}" if s.half is not None else "")


def points(d: PairedDifference) -> str:
    """Mean difference in points and its interval."""
    s = d.spread
    if s.n == 0:
        return "-"
    return signed(s.mean) + (
        f" [{signed(s.low)}, {signed(s.high)}]" if s.high is not None and s.low is not None else ""
    )


def signed(share: float) -> str:
    """Points with their sign; zero has none to lose."""
    return f"{round(100 * share, 2) + 0.0:+.2f}"


def p_value(p: float | None) -> str:
    """Three digits, as far as they mean something."""
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
