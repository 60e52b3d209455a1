"""Cells that have finished: their figures, and whether they were made with the settings asked for now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from easiedge.deciding import deciding
from easiedge.errors import EasiEdgeError, RunError
from easiedge.flat import flat
from easiedge.report.runs.config_file import read_config
from easiedge.report.runs.metrics_file import read_metrics
from easiedge.report.runs.tables import read_curves
from easiedge.settings_apart import settings_apart

DENSE = "dense training"  # the stage before all that is compared


def finished_metrics(home: Path) -> dict[str, Any] | None:
    """``metrics.json`` of a cell; None where there is none.

    Raises:
        RunError: it is not whole, or a figure is missing or cannot be; names the file and the field.
    """
    path = home / "metrics.json"
    if not path.exists():
        return None
    try:
        metrics = read_metrics(path)
    except RunError as error:
        raise RunError(f"{path}: {error}") from error
    for needed in ("pruned", "seconds.total", "budget.achieved", "versions"):
        part: Any = metrics
        for key in needed.split("."):
            part = part.get(key) if isinstance(part, Mapping) else None
        if part is None:
            raise RunError(f"{path}: {needed} is missing: it is not what a pruning run wrote")
    return metrics


def trained_epochs(home: Path) -> int | None:
    """Epochs that a cell trained after the dense network, by its ``curves.csv``; None where that is not known."""
    try:
        return sum(row.stage != DENSE for row in read_curves(home / "curves.csv"))
    except (RunError, OSError):
        return None


def check_settings(home: Path, asked: DictConfig) -> None:
    """Refuse to mix cells of two studies.

    Raises:
        EasiEdgeError: the cell was made with another configuration; names up to three values that differ.
        RunError: its configuration cannot be read.
    """
    path = home / "config.yaml"
    try:
        was = deciding(read_config(path))
    except RunError as error:
        raise RunError(f"{path}: {error}") from error
    now = deciding(flat(asked))
    apart = settings_apart(was, now)
    if apart:
        shown = ", ".join(f"{key}: {was.get(key)} then, {now.get(key)} now" for key in apart[:3])
        raise EasiEdgeError(
            f"{home} was made with other settings ({shown}{', ...' if len(apart) > 3 else ''}): "
            "choose another hydra.run.dir, or delete that cell"
        )
