"""What a reader of a comparison has to know before believing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from easiedge.report.comparison_values import Difference, Result, Row
from easiedge.report.paired import seeds_apart

APART = 0.1  # share of MACs by which rows at one budget may differ before it is said
MATCHED = 0.005  # share by which more than the budget may go before it is said


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
        *_beyond_budget(rows, about),
        *_varied(about),
        *_folds(about),
        *_one_network(results, about),
        *_other_training(results, about),
        *_unequal_cost(rows, about),
        *_untested(rows, differences, about),
    ]


def name_of(method: str, scope: str, budget: float | None) -> str:
    """A row in words."""
    return "the control" if budget is None else f"{method}, {scope}, {budget:g}"


def _unpaired(results: Sequence[Result]) -> list[str]:
    apart = seeds_apart((r.seed, [r.metrics["dense"]["accuracy"]]) for r in results)
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


def _beyond_budget(rows: Sequence[Row], about: Mapping[str, Any]) -> list[str]:
    """Other limits, or steps too coarse for the matched one."""
    by = str(about["by"])
    return [
        f"{name_of(row.method, row.scope, row.budget)}: {100 * row.achieved[by]:.1f} % went, not {100 * row.budget:g} %"
        for row in rows
        if row.budget is not None and by in row.achieved and by.endswith("_removed") and row.achieved[by] - row.budget > MATCHED
    ]  # fmt: skip


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


def _one_network(results: Sequence[Result], about: Mapping[str, Any]) -> list[str]:
    """Seeds are then of pruning and training alone."""
    if not about.get("one_network") or len({r.seed for r in results}) < 2:
        return []
    return ["all seeds start from one dense network: intervals hold what choice and training scatter, not what another dense network would change"]  # fmt: skip


def _other_training(results: Sequence[Result], about: Mapping[str, Any]) -> list[str]:
    """Schedules may stop before their last epoch, and training that diverged starts again more slowly."""
    short: dict[str, list[int]] = {}
    long: dict[str, list[int]] = {}
    for r in results:
        if r.epochs is not None and r.epochs != about["epochs"]:
            found = short if r.epochs < about["epochs"] else long
            found.setdefault(name_of(r.method, r.scope, r.budget), []).append(r.epochs)
    asked = f"instead of {about['epochs']}"
    return [
        *(f"{name}: {_runs(epochs)} trained for {min(epochs)} epochs at least {asked}, since the schedule stopped early" for name, epochs in short.items()),
        *(f"{name}: {_runs(epochs)} trained for up to {max(epochs)} epochs {asked}, since training diverged and began again more slowly" for name, epochs in long.items()),
    ]  # fmt: skip


def _runs(epochs: Sequence[int]) -> str:
    return f"{len(epochs)} run{'s' * (len(epochs) != 1)}"


def _unequal_cost(rows: Sequence[Row], about: Mapping[str, Any]) -> list[str]:
    """At a matched number of units or parameters, rows may keep networks of very different cost."""
    if about["by"] not in ("filters_removed", "params_removed"):
        return []
    kept: dict[float, dict[str, float]] = {}
    for r in rows:
        if r.budget is not None and "macs_removed" in r.achieved:
            kept.setdefault(r.budget, {})[f"{r.method}, {r.scope}"] = 1 - r.achieved["macs_removed"]
    notes = []
    for budget, shares in kept.items():
        least, most = min(shares, key=lambda n: shares[n]), max(shares, key=lambda n: shares[n])
        if shares[most] - shares[least] > APART:
            notes.append(
                f"{budget:g}: {most} keeps {shares[most]:.0%} of the MACs and {least} {shares[least]:.0%}: compare at equal MACs too (compare.by=macs_removed)"
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
