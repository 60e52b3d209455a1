"""What ``easiedge search`` found, in figures: ``metrics.json``, and ``search.csv`` with a row for each step.

    AL    accuracy loss              test accuracy of the original - that of the design          [share of the images]
    FCI   FLOP count improvement     1 - FLOPs / FLOPs of the original                           (MACs: their ratio is the same)
    PCI   parameter improvement      1 - parameters / parameters of the original

After TQ only weights that are not zero count (Wu et al. 2022).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from easiedge.assembly import Parts
from easiedge.atomic import write_atomically
from easiedge.model.count import layer_macs
from easiedge.report.metrics import head, versions
from easiedge.search.greedy import Step

STEPS = "search.csv"
COLUMNS = (
    "step",
    "phase",
    "candidates",
    "mean_accuracy",
    "best_accuracy",
    "accepted",
    "units",
    "params",
    "removed",
    "seconds",
)


def improvements(dense: Mapping[str, float], found: Mapping[str, float]) -> dict[str, float]:
    """``AL``, ``FCI``, ``PCI`` from ``accuracy``, ``macs`` and ``params`` of two networks."""
    return {
        "AL": dense["accuracy"] - found["accuracy"],
        "FCI": 1 - found["macs"] / dense["macs"],
        "PCI": 1 - found["params"] / dense["params"],
    }


def nonzero_counts(network: nn.Module, example: Tensor) -> dict[str, int]:
    """Parameters that are not zero, and multiply-accumulates by weights that are not zero, of one image."""
    modules, macs = dict(network.named_modules()), 0
    for name, every in layer_macs(network, example).items():
        weight = modules[name].weight
        assert isinstance(weight, Tensor)
        macs += every // weight.numel() * int((weight != 0).sum())
    return {"params": sum(int((p != 0).sum()) for p in network.parameters()), "macs": macs}


def search_figures(steps: Sequence[Step]) -> dict[str, Any]:
    """How long a search was."""
    return {
        "steps": len(steps),
        "candidates": sum(step.candidates for step in steps),
        "seconds": round(sum(step.seconds for step in steps), 3),
    }


def search_metrics(
    parts: Parts, dense: Mapping[str, Any], pruned: Mapping[str, Any], found: Mapping[str, Any], proof: Mapping[str, Any],
    seconds: Mapping[str, float],
) -> dict[str, Any]:  # fmt: skip
    """``metrics.json`` of a search: the names that every run has, and a section ``search``.

    Args:
        parts: of the run, of the family that was chosen.
        dense: figures of the original network.
        pruned: of the network in ``pruned/``, with ``accuracy_before_finetune``, the accuracy of the original weights in this structure.
        found: the section ``search``.
        proof: that removal alone changed nothing.
        seconds: by stage.
    """
    achieved = {
        f"{quantity}_removed": 1 - pruned[quantity] / dense[quantity] for quantity in ("filters", "params", "macs")
    }
    return {
        **head(parts),
        "budget": {"requested": {}, "achieved": achieved, "reached": True},
        "dense": dict(dense), "masked": {"accuracy": pruned["accuracy_before_finetune"]}, "pruned": dict(pruned),
        "equivalence": dict(proof), "search": dict(found), "admm": {"iterations": []},
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()}, "versions": versions(),
    }  # fmt: skip


def write_steps(steps: Mapping[str, Sequence[Step]], directory: Path) -> None:
    """``search.csv``: the steps of each family."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ("family", *COLUMNS), lineterminator="\n")
    writer.writeheader()
    for family, of_family in steps.items():
        for step in of_family:
            row = asdict(step)
            removed = " ".join(f"{name}:{count}" for name, count in row["removed"].items())
            writer.writerow({"family": family, **row, "removed": removed})
    write_atomically(directory / STEPS, text.getvalue())
