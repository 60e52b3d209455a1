"""metrics.json: what a run did, in figures."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from easiedge import __version__
from easiedge.assembly import Parts
from easiedge.data.contents import contents
from easiedge.deploy.artifact import artifact_size
from easiedge.model.activation_memory import peak_memory
from easiedge.model.count import count
from easiedge.projection.budget import MEGABYTE
from easiedge.report.sparsity_record import SparsityRecord
from easiedge.schedule.outcome import Outcome
from easiedge.surgery.equivalence import Equivalence
from easiedge.surgery.measured_latency import TOLERANCE
from easiedge.unit import Budget

SCHEMA = 1


def dense_figures(parts: Parts, accuracy: float) -> dict[str, Any]:
    """Accuracy and cost of the dense network."""
    example = parts.calibration[0][0][:2]
    return {"accuracy": accuracy, **count(parts.network, example), "filters": sum(g.size for g in parts.groups)}


def training_metrics(parts: Parts, accuracy: float, seconds: dict[str, float]) -> dict[str, Any]:
    """The figures of ``easiedge train``."""
    return {
        **head(parts),
        "dense": dense_figures(parts, accuracy),
        "seconds": _rounded(seconds),
        "versions": versions(),
    }


def pruning_metrics(
    parts: Parts,
    outcome: Outcome,
    compact: nn.Module,
    accuracies: dict[str, float],
    tested: Sequence[tuple[float, float | None]],
    proof: Equivalence,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """The figures of ``easiedge prune``.

    Args:
        parts: of the run.
        outcome: of the schedule.
        compact: the network in the artifact.
        accuracies: on the test split: ``dense``, ``masked`` (or NaN), ``removed`` (before fine-tuning), ``pruned`` (from the artifact); on the
            validation split: ``val``.
        tested: of the levels of an iterative schedule, on the test split, before and after fine-tuning; empty where they were not asked for.
        proof: of equivalence.
        seconds: by stage.
    """
    example = parts.calibration[0][0][:2]
    dense = dense_figures(parts, accuracies["dense"])
    pruned = {**count(compact, example), "filters": sum(outcome.mask.kept().values())}
    latency = latency_figures(parts, outcome, compact)
    achieved = {
        f"{quantity}_removed": 1 - pruned[quantity] / dense[quantity] for quantity in ("filters", "params", "macs")
    }
    achieved["memory_mb"] = peak_memory(compact, example) / MEGABYTE
    achieved["artifact_mb"] = artifact_size(parts.directory / "pruned") / MEGABYTE
    if latency:
        achieved["latency_ms"] = latency.get("measured_ms", latency["predicted_ms"])
    return {
        **head(parts),
        "budget": {
            "requested": parts.budget.asked(),
            "achieved": achieved,
            "reached": outcome.reached and within(parts.budget, achieved),
        },
        "dense": dense,
        "masked": {"accuracy": accuracies["masked"]},
        "pruned": {
            "accuracy": accuracies["pruned"],
            "accuracy_before_finetune": accuracies["removed"],
            "val_accuracy": accuracies["val"],
            **pruned,
        },
        "equivalence": {"max_abs_diff": proof.max_abs_diff, "images": proof.images},
        "admm": {"iterations": list(outcome.iterations)},
        **({"levels": _levels(outcome, accuracies, tested)} if outcome.levels else {}),
        **({"latency": latency} if latency else {}),
        "seconds": _rounded(seconds),
        "versions": versions(),
    }


def sparsity_metrics(
    parts: Parts, found: SparsityRecord, proof: Equivalence, seconds: dict[str, float]
) -> dict[str, Any]:
    """The figures of ``easiedge sparsify``: those of the largest ratio stand where other methods have theirs."""
    last = found.levels[-1]
    dense = {name: found.dense[name] for name in ("accuracy", "params", "macs", "filters")}
    pruned = {"params": last.params, "macs": last.macs, "filters": last.units}
    achieved = {f"{quantity}_removed": 1 - pruned[quantity] / dense[quantity] for quantity in pruned}
    achieved["artifact_mb"] = artifact_size(parts.directory / "pruned") / MEGABYTE
    return {
        **head(parts),
        "method": f"{found.how['criterion']}_{found.how['level']}_{found.how['schedule']}",
        "budget": {"requested": {}, "achieved": achieved, "reached": True},
        "sparsity": {
            **found.how,
            "ratio": last.ratio,
            "removed": last.removed,
            "nonzero": last.nonzero,
            "csr_mb": last.bytes.csr / MEGABYTE,
        },
        "dense": dense,
        "masked": {"accuracy": last.accuracy_cut},
        "pruned": {
            "accuracy": last.accuracy,
            "accuracy_before_finetune": last.accuracy_cut,
            "val_accuracy": last.val_accuracy,
            **pruned,
        },
        "equivalence": {"max_abs_diff": proof.max_abs_diff, "images": proof.images},
        "seconds": _rounded(seconds),
        "versions": versions(),
    }


def _levels(
    outcome: Outcome, accuracies: Mapping[str, float], tested: Sequence[tuple[float, float | None]]
) -> list[dict[str, Any]]:
    """Of an iterative schedule; the accuracy after the closing fine-tuning is that of the level that it follows."""
    found = [
        {**level, "accuracy": accuracies["val"] if level["accuracy"] is None else level["accuracy"]}
        for level in outcome.levels
    ]
    for level, (before, after) in zip(found, tested, strict=False):  # none where they were not asked for
        level |= {"test_accuracy_before": before, "test_accuracy": accuracies["pruned"] if after is None else after}
    return found


def within(budget: Budget, achieved: Mapping[str, float]) -> bool:
    """Whether every limit holds in what was counted, and milliseconds within the tolerance of a measurement."""
    for name, value in budget.asked().items():
        got = achieved[name.removesuffix("_max")]
        if name.endswith("_removed"):
            missed = got < value - 1e-9
        else:
            missed = got > value * (1 + (TOLERANCE if name == "latency_ms_max" else 1e-9))
        if missed:
            return False
    return True


def latency_figures(parts: Parts, outcome: Outcome, compact: nn.Module) -> dict[str, Any]:
    """Milliseconds per image of the dense and the pruned network on the device: predicted, and measured where it is this machine."""
    device = parts.device
    if device is None:
        return {}
    sizes = np.array([g.size for g in parts.groups], dtype=np.float64)
    found: dict[str, Any] = {
        "machine": device.table.setting.machine,
        "engine": device.table.setting.engine,
        "threads": device.table.setting.threads,
        "dense_predicted_ms": float(device.latency.total(sizes)),
        "predicted_ms": device.latency.ms(outcome.mask.kept()),
    }
    if device.clock is not None:
        found |= {"dense_measured_ms": device.clock(parts.network), "measured_ms": device.clock(compact)}
    return found


def head(parts: Parts) -> dict[str, Any]:
    """What the run was of."""
    names = parts.names
    return {
        "schema": SCHEMA, "seed": parts.seed, "method": names.method, "data": names.data, "model": names.model,
        "contents": contents(parts.data),
    }  # fmt: skip


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {stage: round(value, 3) for stage, value in seconds.items()}


def versions() -> dict[str, str]:
    """What the run was made with."""
    packages = {name: importlib.metadata.version(name) for name in ("torchvision", "pytorch-lightning", "numpy")}
    return {"easiedge": __version__, "python": platform.python_version(), "torch": str(torch.__version__), **packages}
