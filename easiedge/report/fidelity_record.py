"""What ``easiedge score`` found, as values and as the files it leaves: fidelity.json, criteria.csv, layers.csv, curves.csv, scores."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from easiedge.atomic import write_atomically
from easiedge.plain_values import finite
from easiedge.scoring.agreement import Agreement, Estimate, paired_difference


@dataclass(frozen=True, eq=False)
class Scored:
    """One criterion's scores and what they cost.

    Attributes:
        label: as asked for, for example ``"taylor_information_gain probe=exact"``.
        values: scores of the units of each group.
        seconds: to score.
        passes: over the data.
        agreement: with the oracle, where it was measured.
        layers: Spearman and Kendall within each group.
    """

    label: str
    values: Mapping[str, NDArray[np.float64]]
    seconds: float
    passes: int
    agreement: Agreement | None
    layers: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class CurvePoint:
    """Accuracy with a share of the units gone.

    Attributes:
        correct: which evaluation images were classified right, bool ``[images]``.
        kept: share of the MACs and of the parameters that stays, by name.
    """

    label: str
    scope: str
    compensation: str
    removed: float
    correct: NDArray[np.bool_]
    kept: Mapping[str, float]

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy in [0, 1]."""
        return float(self.correct.mean())


@dataclass(frozen=True, eq=False)
class Fidelity:
    """Everything that ``easiedge score`` measured.

    Attributes:
        head: what was scored: model, data, seed, images, units, evaluation split.
        dense: which evaluation images the dense network classifies right.
        criteria: in the order asked for.
        truth: the oracle's gains of the measured units, and which units those are; empty without an oracle.
        measured: indices of those units by group.
        oracle: units measured and seconds; empty without an oracle.
        refused: criteria that cannot score this network, with the reason.
        curves: accuracies after removal.
    """

    head: Mapping[str, Any]
    dense: NDArray[np.bool_]
    criteria: Sequence[Scored]
    truth: Mapping[str, NDArray[np.float64]]
    measured: Mapping[str, NDArray[np.int64]]
    oracle: Mapping[str, float]
    refused: Mapping[str, str]
    curves: Sequence[CurvePoint]


def curve_rows(found: Fidelity, draws: int = 1000) -> list[dict[str, Any]]:
    """One row for each point: accuracy with its 95 % interval over images, and how far behind the best score at the same point.

    ``behind`` is the paired difference to the most accurate criterion with the same scope, compensation and share; its interval
    excludes 0 where the best is ahead by more than chance.
    """
    rows = []
    for p in found.curves:
        rivals = [
            q for q in found.curves if (q.scope, q.compensation, q.removed) == (p.scope, p.compensation, p.removed)
        ]
        best = max(rivals, key=lambda q: q.accuracy)
        spread, behind = (
            paired_difference(p.correct, np.zeros_like(p.correct), draws=draws),
            paired_difference(best.correct, p.correct, draws=draws),
        )
        rows.append(
            {
                "criterion": p.label, "scope": p.scope, "compensation": p.compensation, "removed": p.removed,
                "accuracy": p.accuracy, "low": spread.low, "high": spread.high, "best": best.label,
                "behind": behind.value, "behind_low": behind.low, "behind_high": behind.high, **{f"{k}_kept": v for k, v in p.kept.items()},
            }
        )  # fmt: skip
    return rows


def criterion_rows(found: Fidelity) -> list[dict[str, Any]]:
    """One row for each criterion: agreement with the oracle, seconds, passes."""
    rows: list[dict[str, Any]] = []
    if found.oracle:
        rows.append(
            {
                "criterion": "oracle",
                "seconds": found.oracle["seconds"],
                "passes": int(found.oracle["units"]),
            }
        )
    for c in found.criteria:
        row: dict[str, Any] = {"criterion": c.label, "seconds": c.seconds, "passes": c.passes}
        if c.agreement is not None:
            row |= _estimates("spearman", c.agreement.spearman) | _estimates("kendall", c.agreement.kendall)
            for share, value in c.agreement.overlap.items():
                row |= _estimates(f"overlap_{share:g}", value)
        rows.append(row)
    return rows


def layer_rows(found: Fidelity) -> list[dict[str, Any]]:
    """One row for each criterion and group: Spearman and Kendall within the group."""
    return [
        {"criterion": c.label, "group": group, "units": len(found.truth[group]), "spearman": rho, "kendall": tau}
        for c in found.criteria
        for group, (rho, tau) in c.layers.items()
    ]


def write_fidelity(found: Fidelity, directory: Path) -> dict[str, Any]:
    """Write every table, and the scores as ``scores.safetensors`` (``label/group``); returns what is in fidelity.json."""
    tables = {"criteria": criterion_rows(found), "layers": layer_rows(found), "curves": curve_rows(found)}
    for name, rows in tables.items():
        if rows:
            write_atomically(directory / f"{name}.csv", _as_csv(rows))
    record = finite(
        {
            **found.head,
            "dense_accuracy": float(found.dense.mean()),
            "oracle": found.oracle,
            "refused": found.refused,
            **tables,
        }
    )
    write_atomically(directory / "fidelity.json", json.dumps(record, indent=1, allow_nan=False) + "\n")
    arrays: dict[str, NDArray[Any]] = {
        f"{c.label}/{group}": values for c in found.criteria for group, values in c.values.items()
    }
    arrays |= {f"oracle/{group}": values for group, values in found.truth.items()}
    arrays |= {f"oracle_units/{group}": units for group, units in found.measured.items()}
    write_atomically(directory / "scores.safetensors", save({k: np.ascontiguousarray(v) for k, v in arrays.items()}))
    result: dict[str, Any] = record
    return result


def _estimates(name: str, e: Estimate) -> dict[str, float]:
    return {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
