"""Write what a run found into its directory and to its logger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import CSVLogger, Logger

from easiedge.atomic import write_atomically
from easiedge.plain_values import finite
from easiedge.report.kept_share import KeptShares
from easiedge.report.kept_share_picture import draw_kept_shares
from easiedge.report.layers_table import LayerRow, as_csv
from easiedge.report.pictures import run_picture, title_of
from easiedge.report.wandb_record import log_media, log_network, log_summary, run_of, shorter
from easiedge.training.loggers import close_logger, name_curves

PICTURE = "run.png"
LAYERS_PICTURE = "layers.png"
ABOUT = (
    "schema",
    "seed",
    "method",
    "data",
    "model",
    "contents",
    "versions",
)  # what a run is, not what came of it: in the logged configuration


def write_config(cfg: DictConfig, directory: Path) -> None:
    """``config.yaml``: the composed configuration."""
    write_atomically(directory / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))


def write_metrics(metrics: Mapping[str, Any], directory: Path) -> None:
    """``metrics.json``; figures that are not finite become null, so that any JSON reader takes the file."""
    write_atomically(directory / "metrics.json", json.dumps(finite(metrics), indent=1, allow_nan=False) + "\n")


def write_layers(rows: Sequence[LayerRow], shares: KeptShares, metrics: Mapping[str, Any], directory: Path) -> None:
    """``layers.csv``, the picture of the run and that of its layers."""
    write_atomically(directory / "layers.csv", as_csv(rows))
    run_picture(metrics, rows, directory / PICTURE)
    draw_kept_shares(shares, directory / LAYERS_PICTURE, title_of(metrics))


def log_results(logger: Logger | None, metrics: Mapping[str, Any], rows: Sequence[LayerRow], directory: Path) -> None:
    """Summary figures, and of a pruned network the table of layers, pictures and the network itself; then close the logger."""
    if logger is None:
        return
    figures, run = flat(finite(metrics)), run_of(logger)
    if run is not None:
        found = {shorter(name): value for name, value in figures.items() if name.split("/")[0] not in ABOUT}
        log_summary(run, found, metrics.get("admm", {}).get("iterations", ()))
        if rows:
            pictures = {"picture": directory / PICTURE, "kept_shares": directory / LAYERS_PICTURE}
            log_media(run, {"layers": [asdict(row) for row in rows]}, pictures)
            name = "-".join(str(metrics[part]) for part in ("model", "data", "method", "seed"))
            log_network(run, directory / "pruned", name, figures)
    elif isinstance(logger, CSVLogger):
        _log_row(logger, figures)
    close_logger(logger)


def flat(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested figures under ``dense/accuracy``-like names; lists are left out."""
    result: dict[str, Any] = {}
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{key}/")
        elif isinstance(value, int | float | str):
            result[f"{prefix}{key}"] = value
    return result


def log_tables(
    logger: Logger | None,
    summary: Mapping[str, Any],
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    pictures: Sequence[Path],
) -> None:
    """Summary figures, tables and pictures, where the logger can hold them; then close it."""
    if logger is None:
        return
    run = run_of(logger)
    if run is not None:
        log_summary(run, summary)
        log_media(run, tables, {path.stem: path for path in pictures})
    elif isinstance(logger, CSVLogger):
        _log_row(logger, summary)
    close_logger(logger)


def _log_row(logger: CSVLogger, figures: Mapping[str, Any]) -> None:
    name_curves(logger, "")
    logger.log_metrics({k: float(v) for k, v in figures.items() if isinstance(v, int | float)})
    logger.save()
