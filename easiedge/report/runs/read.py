"""One run directory, read back strictly."""

from __future__ import annotations

from pathlib import Path

from easiedge.errors import RunError
from easiedge.report.runs.config_file import read_config
from easiedge.report.runs.metrics_file import read_metrics
from easiedge.report.runs.run import Run
from easiedge.report.runs.tables import read_curves, read_layers


def read_run(directory: Path) -> Run:
    """The run in ``directory``: ``metrics.json`` and ``config.yaml``, with ``layers.csv`` and ``curves.csv`` where they are.

    Raises:
        RunError: a file is missing, cut off, edited into what cannot be, or of a later schema; names the file and the field.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise RunError(f"{directory} is not a directory: give a run directory, with metrics.json in it")
    try:
        metrics = read_metrics(directory / "metrics.json")
        config = read_config(directory / "config.yaml")
        layers, curves = directory / "layers.csv", directory / "curves.csv"
        return Run(
            directory,
            metrics,
            config,
            read_layers(layers) if layers.exists() else (),
            read_curves(curves) if curves.exists() else (),
        )
    except RunError as error:
        raise RunError(f"run {directory}: {error}; run it again, or take the directory away") from error
