"""Global against layerwise, method against method: rows and paired differences from the runs of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from easiedge.report.paired import CONFIDENCE, PairedDifference, Spread, holm, paired, spread

ACHIEVED = ("filters_removed", "params_removed", "macs_removed", "latency_ms", "memory_mb", "artifact_mb")
PAIRING_TOLERANCE = 1e-6  # accuracies of the same dense network, on other machines of a cluster perhaps


@dataclass(frozen=True)
class Result:
    """What one finished cell gives.

    Attributes:
        method: as it was asked for; empty for the control, the dense network trained on.
        scope: ``global`` or ``layerwise``; empty for the control.
        budget: value of the matched budget; None for the control.
        seed: of the run.
        metrics: its ``metrics.json``.
    """

    method: str
    scope: str
    budget: float | None
    seed: int
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One method, scope and budget over its seeds.

    Attributes:
        method: empty for the control.
        scope: empty for the control.
        budget: None for the control.
        accuracy: test accuracy after fine-tuning, in [0, 1].
        before: test accuracy before fine-tuning.
        minus_control: paired difference from the dense network trained on; None without a control.
        achieved: means of what was removed, counted on the networks.
        reached: in how many runs the budget was met.
        seconds: mean of the whole run.
    """

    method: str
    scope: str
    budget: float | None
    accuracy: Spread
    before: Spread
    minus_control: PairedDifference | None
    achieved: Mapping[str, float]
    reached: int
    seconds: float


@dataclass(frozen=True)
class Difference:
    """One paired comparison at one budget.

    Attributes:
        kind: ``"scope"`` (one method, global minus layerwise) or ``"method"`` (one scope, a method minus the first).
        budget: value of the matched budget.
        left: what the difference is taken of.
        right: what is taken away.
        found: the difference of test accuracies and its tests.
        t_holm: p of the t-test after Holm's correction over all comparisons of this kind.
        wilcoxon_holm: that of Wilcoxon's test.
    """

    kind: str
    budget: float
    left: str
    right: str
    found: PairedDifference
    t_holm: float | None = None
    wilcoxon_holm: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A study.

    Attributes:
        about: model, data, the matched budget, epochs after the dense network, confidence.
        dense: test accuracy of the dense networks, one for each seed.
        rows: control first, then in the order asked for.
        differences: global against layerwise first.
        notes: what a reader has to know: failed cells, budgets not met, seeds that are not paired.
    """

    about: Mapping[str, Any]
    dense: Spread
    rows: Sequence[Row]
    differences: Sequence[Difference]
    notes: Sequence[str]


def comparison(
    results: Sequence[Result], about: Mapping[str, Any], failures: Mapping[str, str], confidence: float = CONFIDENCE
) -> Comparison:
    """Compare what has finished.

    Args:
        results: in the order of the study; the first method is the one that others are compared with.
        about: see `Comparison`.
        failures: why, by cell.
        confidence: of all intervals.
    """
    accuracies = _by_setting(results, lambda m: m["pruned"]["accuracy"])
    control = accuracies.get(("", "", None))
    rows = []
    for key, values in accuracies.items():
        mine = [r for r in results if (r.method, r.scope, r.budget) == key]
        rows.append(
            Row(
                *key,
                accuracy=spread(list(values.values()), confidence),
                before=spread([r.metrics["pruned"]["accuracy_before_finetune"] for r in mine], confidence),
                minus_control=paired(values, control, confidence) if control and key[2] is not None else None,
                achieved={name: _mean([r.metrics["budget"]["achieved"][name] for r in mine]) for name in ACHIEVED if all(name in r.metrics["budget"]["achieved"] for r in mine)},
                reached=sum(bool(r.metrics["budget"].get("reached", True)) for r in mine),
                seconds=_mean([r.metrics["seconds"]["total"] for r in mine]),
            )
        )  # fmt: skip
    differences = [*_corrected(_of_scopes(accuracies, confidence)), *_corrected(_of_methods(accuracies, confidence))]
    dense = {r.seed: r.metrics["dense"]["accuracy"] for r in results}
    return Comparison(
        about, spread(list(dense.values()), confidence), rows, differences, _notes(results, rows, failures)
    )


def _by_setting(
    results: Sequence[Result], figure: Callable[[Mapping[str, Any]], float]
) -> dict[tuple[str, str, float | None], dict[int, float]]:
    found: dict[tuple[str, str, float | None], dict[int, float]] = {}
    for r in results:
        found.setdefault((r.method, r.scope, r.budget), {})[r.seed] = figure(r.metrics)
    return dict(sorted(found.items(), key=lambda item: item[0][2] is not None))


def _of_scopes(accuracies: Mapping[Any, Mapping[int, float]], confidence: float) -> list[Difference]:
    return [
        Difference("scope", budget, f"{method}, global", f"{method}, layerwise", paired(values, accuracies[method, "layerwise", budget], confidence))
        for (method, scope, budget), values in accuracies.items()
        if scope == "global" and (method, "layerwise", budget) in accuracies
    ]  # fmt: skip


def _of_methods(accuracies: Mapping[Any, Mapping[int, float]], confidence: float) -> list[Difference]:
    first = next((method for method, _, budget in accuracies if budget is not None), "")
    return [
        Difference("method", budget, f"{method}, {scope}", f"{first}, {scope}", paired(values, accuracies[first, scope, budget], confidence))
        for (method, scope, budget), values in accuracies.items()
        if budget is not None and method != first and (first, scope, budget) in accuracies
    ]  # fmt: skip


def _corrected(differences: Sequence[Difference]) -> list[Difference]:
    t = holm([d.found.t_p for d in differences])
    w = holm([d.found.wilcoxon_p for d in differences])
    return [replace(d, t_holm=t[i], wilcoxon_holm=w[i]) for i, d in enumerate(differences)]


def _notes(results: Sequence[Result], rows: Sequence[Row], failures: Mapping[str, str]) -> list[str]:
    notes = [f"failed: {cell}: {reason}" for cell, reason in failures.items()]
    for row in rows:
        if row.reached < row.accuracy.n:
            name = f"{row.method}, {row.scope}, {row.budget:g}" if row.budget is not None else "the control"
            notes.append(f"{name}: the budget was not met in {row.accuracy.n - row.reached} of {row.accuracy.n} runs")
    by_seed: dict[int, list[float]] = {}
    for r in results:
        by_seed.setdefault(r.seed, []).append(r.metrics["dense"]["accuracy"])
    apart = [seed for seed, values in by_seed.items() if max(values) - min(values) > PAIRING_TOLERANCE]
    if apart:
        notes.append(
            f"seeds {', '.join(map(str, apart))}: not all runs started from the same dense network, so that their differences hold that of the networks too"
        )
    if rows and max(row.accuracy.n for row in rows) < 2:
        notes.append(
            "one seed: no interval and no test can be given, since nothing says how much a seed changes; run more seeds"
        )
    elif any(row.accuracy.n < 2 for row in rows):
        notes.append("rows with a single finished seed have no interval: nothing says how much a seed changes")
    return notes


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
