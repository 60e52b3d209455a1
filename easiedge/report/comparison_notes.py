"""What a reader of a comparison has to know before believing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from easiedge.report.comparison_values import Difference, Result, Row

PAIRING_TOLERANCE = 1e-6  # accuracies of the same dense network, on other machines of a cluster perhaps
APART = 0.1  # share of MACs by which scopes at one budget may differ before it is said


def notes_of(
    results: Sequence[Result],
    rows: Sequence[Row],
    differences: Sequence[Difference],
    about: Mapping[str, Any],
    failures: Mapping[str, str],
) -> list[str]:
    """One sentence each, the gravest first."""
    return [
        *(f"failed: {cell}: {reason}" for cell, reason in failures.items()),
        *_unpaired(results),
        *_missed_budgets(rows),
        *_varied(about),
        *_folds(about),
        *_shorter_training(results, about),
        *_unequal_cost(rows, about),
        *_untested(rows, differences, about),
    ]


def name_of(method: str, scope: str, budget: float | None) -> str:
    """A row in words."""
    return "the control" if budget is None else f"{method}, {scope}, {budget:g}"


def _unpaired(results: Sequence[Result]) -> list[str]:
    by_seed: dict[int, list[float]] = {}
    for r in results:
        by_seed.setdefault(r.seed, []).append(r.metrics["dense"]["accuracy"])
    apart = [seed for seed, values in by_seed.items() if max(values) - min(values) > PAIRING_TOLERANCE]
    if not apart:
        return []
    seeds = ", ".join(map(str, apart))
    return [
        f"seeds {seeds}: not all runs started from the same dense network, so that their differences hold that of the networks too"
    ]


def _missed_budgets(rows: Sequence[Row]) -> list[str]:
    return [
        f"{name_of(row.method, row.scope, row.budget)}: the budget was not met in {row.accuracy.n - row.reached} of {row.accuracy.n} runs"
        for row in rows
        if row.reached < row.accuracy.n
    ]


def _varied(about: Mapping[str, Any]) -> list[str]:
    names = about.get("varied", ())
    return [f"methods may differ in {', '.join(names)}, which is compared here"] if names else []


def _folds(about: Mapping[str, Any]) -> list[str]:
    """Training images of two of k folds overlap, so that variances over folds are too small (Nadeau & Bengio, Machine Learning 52, 2003)."""
    if not about.get("folds"):
        return []
    return [
        f"seeds are {about['folds']} folds: most training images of two folds are the same, so that intervals are narrower and p-values smaller than they should be"
    ]


def _shorter_training(results: Sequence[Result], about: Mapping[str, Any]) -> list[str]:
    """Schedules may stop before their last epoch, and what they leave is not given to fine-tuning."""
    short: dict[str, list[int]] = {}
    for r in results:
        if r.epochs is not None and r.epochs < about["epochs"]:
            short.setdefault(name_of(r.method, r.scope, r.budget), []).append(r.epochs)
    return [
        f"{name}: {len(epochs)} run{'s' * (len(epochs) != 1)} trained for {min(epochs)} epochs at least instead of {about['epochs']}, since the schedule stopped early"
        for name, epochs in short.items()
    ]


def _unequal_cost(rows: Sequence[Row], about: Mapping[str, Any]) -> list[str]:
    """At a matched number of units or parameters, scopes may keep networks of very different cost."""
    if about["by"] not in ("filters_removed", "params_removed"):
        return []
    gone = {(r.method, r.scope, r.budget): r.achieved.get("macs_removed") for r in rows}
    notes = []
    for (method, scope, budget), share in gone.items():
        other = gone.get((method, "layerwise", budget))
        if scope == "global" and share is not None and other is not None and abs(share - other) > APART:
            notes.append(
                f"{method}, {budget:g}: global keeps {1 - share:.0%} of the MACs and layerwise {1 - other:.0%}: compare at equal MACs too (compare.by=macs_removed)"
            )
    return notes


def _untested(rows: Sequence[Row], differences: Sequence[Difference], about: Mapping[str, Any]) -> list[str]:
    notes = []
    if rows and max(row.accuracy.n for row in rows) < 2:
        return [
            "one seed: no interval and no test can be given, since nothing says how much a seed changes; run more seeds"
        ]
    if any(row.accuracy.n < 2 for row in rows):
        notes.append("rows with a single finished seed have no interval: nothing says how much a seed changes")
    notes += [
        f"{d.left} minus {d.right}, {d.budget:g}: {d.found.why_not}" for d in differences if d.found.why_not
    ]  # fmt: skip
    methods = [row.method for row in rows if row.budget is not None]
    first = next(iter(about.get("methods", ())), None)
    if first is not None and methods and first not in methods:
        notes.append(f"{first}, which the others would be compared with, has no finished run")
    return notes
