"""What ``easiedge sparsify`` finds, as values and files: ``sparsity.json`` and ``sparsity.csv``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from easiedge.atomic import write_atomically
from easiedge.plain_values import finite

SCHEMA = 1


@dataclass(frozen=True)
class FileBytes:
    """Bytes of the files that hold the network's weights and buffers.

    Attributes:
        dense: zeros and all.
        coo, csr: the pruned layers sparse, with the narrowest indices that hold them.
        csr64: the same with PyTorch's own indices of 8 bytes.
    """

    dense: int
    coo: int
    csr: int
    csr64: int


@dataclass(frozen=True)
class RunTime:
    """How long one network takes, timed in turns with the others.

    Attributes:
        network: ``dense`` (before pruning), ``masked`` (weights times masks in every forward pass), ``sparse`` (PyTorch's CSR product),
            or ``smaller`` (what is left when units and kernels are removed for real).
        ms: median of one run on ``batch`` images.
        times_faster, low, high: than dense, with its 95 % interval.
        disturbed: share of runs that other processes interrupted.
    """

    network: str
    ms: float
    times_faster: float
    low: float
    high: float
    disturbed: float
    batch: int
    threads: int


@dataclass(frozen=True)
class SparsityLevel:
    """One ratio.

    Attributes:
        ratio: asked for.
        removed: share of the weights in the pruned layers that is zero by the mask.
        weights_kept: by layer.
        accuracy_cut, accuracy: on the test split, right after the last cut and after training.
        val_accuracy: after training.
        nonzero: parameters of the network, biases and norms included, that are not zero.
        params, macs, units: of the network without what can be removed for real.
        bytes: of the files.
        times: run times; none where none were asked for.
        seconds: for cutting and training.
    """

    ratio: float
    removed: float
    weights_kept: Mapping[str, int]
    accuracy_cut: float
    accuracy: float
    val_accuracy: float
    nonzero: int
    params: int
    macs: int
    units: int
    bytes: FileBytes
    times: tuple[RunTime, ...]
    seconds: float


@dataclass(frozen=True)
class LayerAccuracy:
    """Validation accuracy with one layer cut and the others whole, without training."""

    layer: str
    ratio: float
    removed: float
    accuracy: float


@dataclass(frozen=True)
class SparsityRecord:
    """A whole run.

    Attributes:
        dense: accuracy, val_accuracy, params, macs, filters and bytes of the dense network.
        how: criterion, level, scope, schedule, epochs and options.
    """

    model: str
    data: str
    seed: int
    how: Mapping[str, Any]
    dense: Mapping[str, Any]
    levels: Sequence[SparsityLevel]
    layers: Sequence[LayerAccuracy] = ()

    @property
    def title(self) -> str:
        """Criterion, level and schedule in words."""
        what = {"weight": "weights", "kernel": "kernels", "strided": "strided kernels", "channel": "channels"}[
            self.how["level"]
        ]
        return f"{what} by {self.how['criterion'].replace('_', ' ')}, {self.how['scope']}, {self.how['schedule'].replace('_', ' ')}"


def write_sparsity(found: SparsityRecord, directory: Path) -> None:
    """``sparsity.json`` with everything, ``sparsity.csv`` with a row for each ratio."""
    content = {"schema": SCHEMA, "kind": "sparsity", **finite(asdict(found))}
    write_atomically(directory / "sparsity.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
    rows = rows_of(found)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(directory / "sparsity.csv", out.getvalue())


def rows_of(found: SparsityRecord) -> list[dict[str, Any]]:
    """A flat row for each ratio."""
    rows = []
    for level in found.levels:
        row: dict[str, Any] = {
            name: getattr(level, name)
            for name in (
                "ratio",
                "removed",
                "accuracy_cut",
                "accuracy",
                "val_accuracy",
                "nonzero",
                "params",
                "macs",
                "units",
            )
        }
        row |= {f"{name}_bytes": value for name, value in asdict(level.bytes).items()}
        row |= {f"{t.network}_ms": t.ms for t in level.times}
        rows.append(row)
    return rows
