"""Global against layerwise, method against method: rows and paired differences from the runs of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from easiedge.report.comparison_notes import notes_of
from easiedge.report.comparison_values import Comparison, Difference, Result, Row
from easiedge.report.paired import CONFIDENCE, holm, paired, spread

ACHIEVED = ("filters_removed", "params_removed", "macs_removed", "latency_ms", "memory_mb", "artifact_mb")


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
    first = next(iter(about.get("methods", ())), next((r.method for r in results if r.budget is not None), ""))
    differences = [
        *_corrected(_of_scopes(accuracies, confidence)),
        *_corrected(_of_methods(accuracies, first, confidence)),
        *_corrected(
            [
                Difference("control", r.budget, f"{r.method}, {r.scope}", "control", r.minus_control)
                for r in rows
                if r.budget is not None and r.minus_control is not None
            ]
        ),
    ]
    dense = {r.seed: r.metrics["dense"]["accuracy"] for r in results}
    return Comparison(
        about,
        spread(list(dense.values()), confidence),
        rows,
        differences,
        notes_of(results, rows, differences, about, failures),
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


def _of_methods(accuracies: Mapping[Any, Mapping[int, float]], first: str, confidence: float) -> list[Difference]:
    """Minus the first method at the same scope; where each has a scope of its own, minus the first at its own."""
    alone = _only_scopes(accuracies, first)
    found = []
    for (method, scope, budget), values in accuracies.items():
        other = scope if (first, scope, budget) in accuracies else alone.get(budget)
        if budget is not None and method != first and other is not None:
            against = paired(values, accuracies[first, other, budget], confidence)
            found.append(Difference("method", budget, f"{method}, {scope}", f"{first}, {other}", against))
    return found


def _only_scopes(accuracies: Mapping[Any, Mapping[int, float]], method: str) -> dict[float, str]:
    """The scope of ``method`` by budget, where it has a single one and no method has two."""
    scopes: dict[tuple[str, float], set[str]] = {}
    for name, scope, budget in accuracies:
        if budget is not None:
            scopes.setdefault((name, budget), set()).add(scope)
    if any(len(found) > 1 for found in scopes.values()):
        return {}
    return {budget: next(iter(found)) for (name, budget), found in scopes.items() if name == method}


def _corrected(differences: Sequence[Difference]) -> list[Difference]:
    t = holm([d.found.t_p for d in differences])
    w = holm([d.found.wilcoxon_p for d in differences])
    return [replace(d, t_holm=t[i], wilcoxon_holm=w[i]) for i, d in enumerate(differences)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
