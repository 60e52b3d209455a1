"""All runs below a folder, and what is there but cannot be used."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from easiedge.errors import RunError
from easiedge.report.runs.read import read_run
from easiedge.report.runs.run import Run

INSIDE = frozenset({"pruned", "dense", "checkpoints", "wandb", "export", "bench"})  # of a run directory: hold no runs


@dataclass(frozen=True)
class SkippedRun:
    """A directory that holds a run which cannot be used, or a file beside a run that can, and why."""

    directory: Path
    reason: str


@dataclass(frozen=True, eq=False)
class FoundRuns:
    """What is below a folder.

    Attributes:
        root: the folder.
        runs: those that can be read, in natural order of their paths.
        skipped: those that cannot.
        unfinished: directories with a configuration but no figures yet: running, interrupted or failed.
        sensitivities: files ``sensitivity.json``.
        comparisons: files ``comparison.json``.
    """

    root: Path
    runs: tuple[Run, ...]
    skipped: tuple[SkippedRun, ...]
    unfinished: tuple[Path, ...]
    sensitivities: tuple[Path, ...]
    comparisons: tuple[Path, ...]


def find_runs(root: Path) -> FoundRuns:
    """Every directory below ``root`` (itself included) with a ``metrics.json``; links to directories are not followed.

    Raises:
        RunError: ``root`` is not a directory that can be listed.
    """
    root = Path(root)
    if not root.exists():
        raise RunError(f"{root} does not exist: give the folder that holds the runs, such as runs or multirun")
    if not root.is_dir():
        raise RunError(f"{root} is a file: give the folder that holds the runs")
    runs: list[Run] = []
    skipped: list[SkippedRun] = []
    unfinished: list[Path] = []
    sensitivities: list[Path] = []
    comparisons: list[Path] = []

    def unlisted(error: OSError) -> None:
        skipped.append(SkippedRun(Path(error.filename), f"cannot be listed: {error.strerror}"))

    for here, folders, files in os.walk(root, onerror=unlisted):
        directory, names = Path(here), set(files)
        within = INSIDE if names & {"metrics.json", "config.yaml"} else frozenset()
        folders[:] = sorted((f for f in folders if f not in within and not f.startswith(".")), key=natural)
        if "sensitivity.json" in names:
            sensitivities.append(directory / "sensitivity.json")
        if "comparison.json" in names:
            comparisons.append(directory / "comparison.json")
        if "metrics.json" in names:
            try:
                damaged: dict[Path, str] = {}
                runs.append(read_run(directory, damaged))
                skipped.extend(SkippedRun(path, f"{why}; the run is read without it") for path, why in damaged.items())
            except RunError as error:
                cause = error.__cause__ if isinstance(error.__cause__, RunError) else error
                skipped.append(SkippedRun(directory, str(cause)))
        elif "config.yaml" in names and not names & {
            "fidelity.json",
            "sensitivity.json",
            "classifiers.json",
            "latency_table.json",
        }:
            unfinished.append(directory)
    if not runs and any(s.directory == root for s in skipped if "listed" in s.reason):
        raise RunError(f"{root} {skipped[0].reason}: mend its permissions")
    return FoundRuns(
        root, tuple(runs), tuple(skipped), tuple(unfinished), tuple(sensitivities), tuple(comparisons)
    )  # fmt: skip


def natural(name: str) -> list[tuple[bool, int, str]]:
    """A key by which ``run 10`` comes after ``run 9``."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"([0-9]{1,18})", name)]
