"""One cell of a comparison: a pruning run of its own, whose failure stays its own."""

from __future__ import annotations

import contextlib
import io
import logging
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from easiedge.compare.failure import FAILURE, write_failure
from easiedge.pipeline import prune
from easiedge.training.resume.halt import stoppable

log = logging.getLogger(__name__)
CELLS = "cells"


@dataclass(frozen=True)
class Setting:
    """What the cells of a row have in common.

    Attributes:
        method: preset and overrides as they were asked for; with the criterion where several are compared.  Empty for the control.
        scope: ``global`` or ``layerwise``; empty for the control.
        budget: value of the matched budget; None for the control.
    """

    method: str
    scope: str
    budget: float | None

    @property
    def control(self) -> bool:
        """Whether this is the dense network, trained on."""
        return self.budget is None


@dataclass(frozen=True)
class Cell:
    """One run.

    Attributes:
        setting: what it shares with the other seeds.
        seed: its own.
        name: of its directory below the study's.
        overrides: Hydra's, for ``easiedge prune``.
    """

    setting: Setting
    seed: int
    name: str
    overrides: tuple[str, ...]

    def home(self, study: Path) -> Path:
        """Its directory."""
        return study / CELLS / self.name

    def has_figures(self, study: Path) -> bool:
        """Whether it came to an end with its figures."""
        return (self.home(study) / "metrics.json").exists()

    def has_failed(self, study: Path) -> bool:
        """Whether it wrote down why it has none."""
        return (self.home(study) / FAILURE).exists()

    def __str__(self) -> str:
        """For people."""
        s = self.setting
        return (
            f"dense, trained on, seed {self.seed}"
            if s.control
            else f"{s.method}, {s.scope}, {s.budget:g}, seed {self.seed}"
        )


def run_cell(cfg: DictConfig) -> None:
    """Run one cell in whatever process the launcher has put it; an error is written down in its directory and ends there.

    What a single run would print goes to the cell's ``run.log``: the study has its own table.
    """
    directory = Path(HydraConfig.get().runtime.output_dir)
    (directory / FAILURE).unlink(missing_ok=True)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), stoppable():  # in a worker of a launcher nobody listens yet
            prune(cfg)
    except Exception as error:
        log.exception("this cell failed")
        with contextlib.suppress(Exception):  # a full disk: the study sees that no figures are there
            write_failure(error, directory)
    log.info("%s", printed.getvalue())
