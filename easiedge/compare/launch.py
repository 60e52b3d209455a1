"""Run cells through whatever launcher Hydra is configured with: one process, joblib, SLURM, Ray."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from easiedge.compare.cell import Cell
from easiedge.quoted import quoted
from easiedge.report.bar import Bar

LOCAL = ("hydra._internal.", "hydra_plugins.hydra_joblib_launcher.")
POLL = 0.5  # seconds between two looks at the directories


class Launcher:
    """Hydra's launcher for one study.

    Args:
        folder: of the configuration.
        hydra_overrides: of the command line, those of ``hydra`` alone: they choose and configure the launcher.
        directory: of the study.

    Attributes:
        directory: as given.
    """

    def __init__(self, folder: Path, hydra_overrides: Sequence[str], directory: Path) -> None:
        self.directory = directory
        own = ["hydra.mode=MULTIRUN", f"hydra.sweep.dir={quoted(directory)}", "hydra/hydra_logging=quiet"]
        GlobalHydra.instance().clear()
        with initialize_config_dir(config_dir=str(folder), version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            self.config: DictConfig = loader.load_configuration(
                "config", [*hydra_overrides, *own], run_mode=RunMode.MULTIRUN
            )
            self.context = HydraContext(config_loader=loader, callbacks=Callbacks(self.config))

    @property
    def local(self) -> bool:
        """Whether cells run in processes of this machine, which end with the launcher."""
        return str(self.config.hydra.launcher._target_).startswith(LOCAL)

    def __call__(self, cells: Sequence[Cell], job: Callable[[DictConfig], Any]) -> None:
        """Run the cells; returns when all have ended, however they did."""
        if not cells:
            return
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=job, config=self.config
        )
        jobs = [[*cell.overrides, f"hydra.sweep.subdir={quoted(cell.home(Path()))}"] for cell in cells]
        launcher.launch(jobs, initial_job_idx=0)


class Watch:
    """Progress over cells by looking at their directories, so that it serves every launcher.

    Args:
        cells: those that are to run.
        directory: of the study.
    """

    def __init__(self, cells: Sequence[Cell], directory: Path) -> None:
        self.waiting = list(cells)
        self.failed = 0
        self.directory = directory
        self.bar = Bar(len(cells), "cells", "cells", say=lambda line: print(line, file=sys.stderr))
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._look, name="cells", daemon=True)

    def __enter__(self) -> Watch:
        self.bar.__enter__()
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self.thread.join()
        self._count()
        self.bar.__exit__(kind, error, trace)

    def _look(self) -> None:
        while not self.ended.wait(POLL):
            self._count()

    def _count(self) -> None:
        for cell in list(self.waiting):
            failed = cell.has_failed(self.directory)
            if failed or cell.has_figures(self.directory):
                self.waiting.remove(cell)
                self.failed += failed
                self.bar.step(f"{cell}{f', {self.failed} failed' if self.failed else ''}")
