"""``easiedge compare``, read aloud: cells, those that are not finished, the launcher, the tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from easiedge.compare.cell import Cell, run_cell
from easiedge.compare.cells import Plan, plan
from easiedge.compare.failure import FAILURE, Failure, failure_of
from easiedge.compare.fairness import check_fair, check_reachable
from easiedge.compare.finished import check_settings, finished_metrics, trained_epochs
from easiedge.compare.launch import Launcher, Watch
from easiedge.compare.launch_all import launch_all
from easiedge.compare.request import Request, request_of
from easiedge.configuration import composed
from easiedge.data.folds import count_over_seeds, refuse_repeated
from easiedge.errors import EasiEdgeError, RunError
from easiedge.report.comparison import comparison
from easiedge.report.comparison_files import STEM, write_comparison
from easiedge.report.comparison_picture import draw_comparison
from easiedge.report.comparison_terminal import print_comparison
from easiedge.report.comparison_values import Result
from easiedge.report.page.write_report import write_report
from easiedge.run_lock import locked
from easiedge.training.resume.halt import Terminated


def compare(folder: Path, overrides: Sequence[str]) -> int:
    """Run the comparison and write it down; cells that are finished already are not run again.

    Args:
        folder: of the configuration.
        overrides: of the command line.

    Returns:
        The exit status: 1 when a cell failed.

    Raises:
        EasiEdgeError: whatever is wrong with the request, before anything runs; another process is at it; or every cell found it wrong.
    """
    cfg, directory = _study(folder, overrides)
    with locked(directory):
        return _compared(folder, overrides, cfg, directory)


def _compared(folder: Path, overrides: Sequence[str], cfg: DictConfig, directory: Path) -> int:
    of_hydra = [o for o in overrides if o.lstrip("+~").startswith("hydra")]
    of_cells = [o for o in overrides if o not in of_hydra and not o.lstrip("+~").startswith("compare.")]
    request = request_of(cfg.compare, cfg.seed)
    planned = plan(request, folder, of_cells)
    one_each = {cell.setting: cell for cell in reversed(planned.cells)}.values()
    asked = {cell.setting: composed(folder, [*cell.overrides]) for cell in one_each}  # a wrong one stops the study here
    for cfg_of_setting in asked.values():
        cfg_of_setting.seed = request.seeds[0]
    limits = check_fair(asked, request.by, request.varied)
    sample = next(iter(asked.values()))
    folds = count_over_seeds(sample.folds)
    refuse_repeated(folds, request.seeds)
    told = {"limits": dict(limits), "folds": folds, "one_network": sample.weights is not None}
    done = {cell.name for cell in planned.cells if _is_done(cell, asked[cell.setting], directory)}
    left = [cell for cell in planned.cells if cell.name not in done]
    if left:
        check_reachable(asked)
    for cell in left:
        for stale in (FAILURE, "metrics.json"):
            (cell.home(directory) / stale).unlink(missing_ok=True)
    _say(f"{len(planned.cells)} cells, {len(done)} of them finished before, in {directory}")
    try:
        with Watch(left, directory):
            launcher = Launcher(folder, of_hydra, directory)
            for batch in (planned.first, planned.others):
                launch_all(launcher, [cell for cell in batch if cell.name not in done], run_cell)
    except (KeyboardInterrupt, Terminated):
        with suppress(EasiEdgeError):
            _write(request, planned, directory, told)
        _say(f"stopped: the same command with hydra.run.dir={directory} goes on where it was")
        raise
    failures = _write(request, planned, directory, told, show=True)
    if failures:
        again = f"the same command with hydra.run.dir={directory} runs only these again"
        name, first = next(iter(failures.items()))
        _say(f"{len(failures)} of {len(planned.cells)} cells failed, {name} thus: {first.reason}; {again}")
    return int(bool(failures))


def _study(folder: Path, overrides: Sequence[str]) -> tuple[DictConfig, Path]:
    """The configuration of the study and its directory, from ``hydra.run.dir``."""
    cfg = composed(folder, [*overrides], with_hydra=True)
    directory = Path(cfg.hydra.run.dir).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    return cfg, directory


def _is_done(cell: Cell, asked: DictConfig, directory: Path) -> bool:
    """Whether its figures are there, whole; made with other settings they stop the study."""
    home = cell.home(directory)
    asked.seed = cell.seed  # all that seeds of a setting differ in
    try:
        if finished_metrics(home) is None:
            return False
        check_settings(home, asked)
    except RunError as reason:
        _say(f"{reason}: run again")
        return False
    return True


def _write(
    request: Request, planned: Plan, directory: Path, told: Mapping[str, Any], show: bool = False
) -> Mapping[str, Failure]:
    """Write and print what there is; why cells failed, by name.

    Raises:
        EasiEdgeError: every cell found the request wrong.
    """
    results, failures = _results(planned.cells, directory)
    if not results:
        if not any(failure.broke for failure in failures.values()):
            first_of_all = next(iter(failures.values()))
            raise EasiEdgeError(f"all {len(planned.cells)} cells failed, the first one thus: {first_of_all.reason}")
        return failures
    first = results[0].metrics
    about: dict[str, Any] = {
        "methods": list(dict.fromkeys(c.setting.method for c in planned.cells if not c.setting.control)), "model": first["model"], "data": first["data"], "by": request.by, "confidence": request.confidence, "seeds": list(request.seeds),
        "epochs": planned.epochs, "varied": list(request.varied), "seconds": sum(r.metrics["seconds"]["total"] for r in results), "versions": first["versions"], **told,
    }  # fmt: skip
    found = comparison(results, about, {name: f.reason for name, f in failures.items()}, request.confidence)
    write_comparison(found, directory)
    draw_comparison(found, directory / STEM)
    if show:
        print_comparison(found, directory)
        print(f"page of all runs: {write_report(directory).page}")
    return failures


def _results(cells: Sequence[Cell], directory: Path) -> tuple[list[Result], dict[str, Failure]]:
    """What the cells gave, and why others gave nothing."""
    results: list[Result] = []
    failures: dict[str, Failure] = {}
    for cell in cells:
        home, s = cell.home(directory), cell.setting
        try:
            metrics = finished_metrics(home)
            if metrics is not None:
                results.append(Result(s.method, s.scope, s.budget, cell.seed, metrics, trained_epochs(home)))
                continue
            failures[cell.name] = failure_of(home)
        except (RunError, OSError) as error:
            failures[cell.name] = Failure(str(error), broke=True)
    return results, failures


def _say(line: str) -> None:
    print(f"easiedge: {line}", file=sys.stderr)
