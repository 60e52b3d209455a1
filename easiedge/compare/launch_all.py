"""Run a batch of cells although a worker may die under one of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from omegaconf import DictConfig

from easiedge.compare.cell import Cell
from easiedge.compare.launch import Launcher
from easiedge.errors import EasiEdgeError


def launch_all(launcher: Launcher, cells: Sequence[Cell], job: Callable[[DictConfig], Any]) -> None:
    """Launch the cells, and those that are left again where a launcher of this machine breaks down, as joblib's does with a worker.

    Cells that had not been begun go first the next time.  When none is left of these, the others run one at a time, so that a cell
    that kills its worker is alone in failing.  On a cluster jobs may still be running: there nothing is launched twice.
    """
    left, waiting = list(cells), len(cells) + 1
    while not _stood(launcher, left, job) and launcher.local:
        study = launcher.directory
        left = [cell for cell in left if not (cell.has_figures(study) or cell.has_failed(study))]
        begun = [cell for cell in left if cell.home(study).exists()]
        fresh = [cell for cell in left if cell not in begun]
        if not fresh:
            for cell in begun:
                _stood(launcher, [cell], job)
            return
        if len(fresh) == waiting:
            return  # it begins nothing any more
        left, waiting = [*fresh, *begun], len(fresh)


def _stood(launcher: Launcher, cells: Sequence[Cell], job: Callable[[DictConfig], Any]) -> bool:
    """Whether the launcher came back; what it says if not is passed on."""
    try:
        launcher(cells, job)
    except EasiEdgeError:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        print(f"easiedge: the launcher broke down ({type(error).__name__}: {first})", file=sys.stderr)
        return False
    return True
