"""One run directory, read back strictly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from easiedge.errors import RunError
from easiedge.report.runs.bench_file import FILE as BENCH
from easiedge.report.runs.bench_file import read_bench
from easiedge.report.runs.config_file import read_config
from easiedge.report.runs.metrics_file import read_metrics
from easiedge.report.runs.run import Run
from easiedge.report.runs.tables import read_curves, read_layers

_Read = TypeVar("_Read")


def read_run(directory: Path, damaged: dict[Path, str] | None = None) -> Run:
    """The run in ``directory``: ``metrics.json`` and ``config.yaml``, with ``layers.csv``, ``curves.csv`` and ``bench/bench.json``.

    Args:
        directory: of the run.
        damaged: where the last three may be damaged, gets them and what is wrong; the run is then read without them.

    Raises:
        RunError: a file is missing, cut off, edited into what cannot be, or of a later schema; names the file and the field.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise RunError(f"{directory} is not a directory: give a run directory, with metrics.json in it")
    try:
        metrics = read_metrics(directory / "metrics.json")
        config = read_config(directory / "config.yaml")
        return Run(
            directory,
            metrics,
            config,
            _beside(read_layers, directory / "layers.csv", damaged) or (),
            _beside(read_curves, directory / "curves.csv", damaged) or (),
            _beside(read_bench, directory / BENCH, damaged) or (),
        )
    except RunError as error:
        raise RunError(f"run {directory}: {error}; run it again, or take the directory away") from error


def _beside(read: Callable[[Path], _Read], path: Path, damaged: dict[Path, str] | None) -> _Read | None:
    """A file that a run can be without; None where it is not there or damaged."""
    if not path.exists():
        return None
    try:
        return read(path)
    except RunError as error:
        if damaged is None:
            raise
        damaged[path] = str(error)
        return None
