"""``metrics.json``, checked field by field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from easiedge.errors import RunError
from easiedge.report.runs.fields import ABSENT, field, mapping, name_of, number, sequence, share, whole
from easiedge.report.runs.text import read_json

SCHEMA = 1
QUANTITIES = ("filters", "params", "macs")
ITERATION = {  # least and largest; null where the figure was not finite
    "primal_residual": (0.0, 1e300),
    "dual_residual": (0.0, 1e300),
    "rho": (0.0, 1e300),
    "flipped": (0.0, 1.0),
    "masked_accuracy": (0.0, 1.0),
}
MILLISECONDS = ("dense_predicted_ms", "predicted_ms", "dense_measured_ms", "measured_ms")
CONSISTENT = 1e-3


def read_metrics(path: Path) -> dict[str, Any]:
    """The figures of a run; accuracies and counts are there, finite and in range, residuals may be null.

    Raises:
        RunError: names the field that is wrong.
    """
    metrics = read_json(path)
    schema = field(metrics, "schema")
    if schema is ABSENT or isinstance(schema, bool) or not isinstance(schema, int):
        raise RunError("metrics.json has no schema number")
    if schema > SCHEMA:
        raise RunError(f"metrics.json has schema {schema}, of a later easiedge: this one reads {SCHEMA}")
    if schema < SCHEMA:
        raise RunError(f"metrics.json has schema {schema}, which never was")
    metrics["seed"] = whole(metrics, "seed")
    for name in ("method", "data", "model"):
        name_of(metrics, name)
    _contents(metrics)
    _network(metrics, "dense")
    if field(metrics, "pruned") is not ABSENT:
        _network(metrics, "pruned")
        share(metrics, "pruned.accuracy_before_finetune")
        number(metrics, "masked.accuracy", 0.0, 1.0, gap=True)  # masked_test=false
        _counts(metrics)
    _budget(metrics)
    _iterations(metrics)
    _latency(metrics)
    for name in mapping(metrics, "seconds"):
        number(mapping(metrics, "seconds"), name, 0.0)
    return metrics


def _contents(metrics: dict[str, Any]) -> None:
    if mapping(metrics, "contents"):
        name_of(metrics, "contents.digest")
        for count in ("classes", "images"):
            metrics["contents"][count] = whole(metrics, f"contents.{count}", low=1)


def _network(metrics: dict[str, Any], name: str) -> None:
    share(metrics, f"{name}.accuracy")
    for quantity in QUANTITIES:
        metrics[name][quantity] = whole(metrics, f"{name}.{quantity}", low=1)


def _counts(metrics: Mapping[str, Any]) -> None:
    achieved = mapping(metrics, "budget.achieved")
    for quantity in QUANTITIES:
        dense, pruned = metrics["dense"][quantity], metrics["pruned"][quantity]
        if pruned > dense:
            raise RunError(f"pruned.{quantity}={pruned} is more than dense.{quantity}={dense}: edited by hand?")
        name = f"{quantity}_removed"
        if name in achieved and abs(share(achieved, name) - (1 - pruned / dense)) > CONSISTENT:
            raise RunError(
                f"budget.achieved.{name}={achieved[name]} does not agree with {pruned} of {dense} {quantity}: edited by hand?"
            )


def _budget(metrics: Mapping[str, Any]) -> None:
    for part in ("requested", "achieved"):
        limits = mapping(metrics, f"budget.{part}")
        for name in limits:
            number(limits, name, 0.0)
    reached = field(mapping(metrics, "budget"), "reached")
    if reached is not ABSENT and not isinstance(reached, bool):
        raise RunError("budget.reached is neither true nor false")


def _iterations(metrics: dict[str, Any]) -> None:
    found = []
    for i, iteration in enumerate(sequence(metrics, "admm.iterations"), 1):
        if not isinstance(iteration, Mapping):
            raise RunError(f"admm.iterations: number {i} is not an object")
        try:
            found.append({name: number(iteration, name, *ends, gap=True) for name, ends in ITERATION.items()})
        except RunError as error:
            raise RunError(f"admm.iterations: number {i}: {error}") from error
    if found:
        metrics["admm"] = {**metrics["admm"], "iterations": found}


def _latency(metrics: Mapping[str, Any]) -> None:
    latency = mapping(metrics, "latency")
    for name in MILLISECONDS:
        if name in latency:
            number(latency, name, 1e-12)
    if latency:
        name_of(latency, "machine")
        if not any(name in latency for name in ("measured_ms", "predicted_ms")):
            raise RunError("latency has neither measured_ms nor predicted_ms")
