"""Where a run's figures are logged: Weights & Biases, a CSV file, or nowhere when that is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger

from easiedge.errors import EasiEdgeError


def make_logger(
    kind: str,
    directory: Path | str,
    *,
    project: str = "easiedge",
    name: str | None = None,
    identity: str | None = None,
    group: str | None = None,
    config: Mapping[str, Any] | None = None,
    tags: Sequence[str] = (),
    online: bool = False,
) -> Logger | None:
    """Make the logger, and log ``config`` to it at once, so that a logger that cannot write fails here.

    Args:
        kind: ``"wandb"``, ``"csv"`` or ``"none"``.
        directory: where its files go: ``directory/wandb`` or ``directory/csv/metrics.csv``.
        project: of W&B.
        name: of the run in W&B.
        identity: of the run in W&B: what is logged under the same one, after it was stopped, belongs to the same run.
        group: in W&B; runs of one sweep share it.
        config: the composed configuration.
        tags: in W&B.
        online: send to the W&B server; offline by default.

    Raises:
        EasiEdgeError: unknown kind, W&B is not installed, or online without a key.
    """
    if kind not in _KINDS:
        raise EasiEdgeError(f"unknown logger {kind!r}: choose one of {', '.join(_KINDS)}")
    made = _KINDS[kind](
        Path(directory), project=project, name=name, id=identity, group=group, tags=list(tags), online=online
    )
    if made is not None and config:
        made.log_hyperparams(dict(config))
    return made


def _none(directory: Path, **options: Any) -> None:
    return None


def _csv(directory: Path, **options: Any) -> Logger:
    try:
        _put_aside(directory / "csv")
        (directory / "csv").mkdir(parents=True)
    except OSError as error:
        raise EasiEdgeError(
            f"{directory} cannot be written ({error.strerror}): choose another output directory"
        ) from error
    return CSVLogger(directory, name="", version="csv")


def _put_aside(path: Path) -> None:
    """Give the folder of what a run logged before it was stopped a number, since Lightning would empty it: csv-1, csv-2, ..."""
    if path.exists():
        path.rename(next(name for n in count(1) if not (name := path.with_name(f"{path.name}-{n}")).exists()))


def _wandb(directory: Path, *, online: bool, **options: Any) -> Logger:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # else wandb tells its maker of the run, offline or not
    try:
        import wandb

        from easiedge.training.wandb_logger import StageLogger
    except ImportError as error:
        raise EasiEdgeError(
            "logger=wandb needs the package wandb: pip install wandb, or choose logger=csv or logger=none"
        ) from error
    if online and not wandb.login(prompt=False):
        raise EasiEdgeError(
            "logger=wandb online finds no key: run wandb login or set WANDB_API_KEY, or log offline, the default"
        )
    directory.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(console="off", silent=True)
    run = wandb.init(
        dir=directory,
        mode="online" if online else "offline",
        reinit="finish_previous",
        settings=settings,
        resume="allow" if online and options.get("id") else None,
        **options,
    )
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return StageLogger(experiment=run, save_dir=directory)


def name_curves(logger: Logger, recipe: str) -> None:
    """Keep the curves of the stages apart: ``dense/val_accuracy``, ``admm/primal_residual``, ``finetune/val_accuracy``."""
    prefix = {"train": "dense", "admm": getattr(logger, "admm_prefix", "")}.get(recipe, recipe)
    logger._prefix, logger.LOGGER_JOIN_CHAR = prefix, "/"  # type: ignore[attr-defined]


def log_fact(logger: Logger, name: str, text: str) -> None:
    """One text about the run: in the summary of W&B, among the hyperparameters elsewhere."""
    summary = getattr(logger.experiment, "summary", None)
    if summary is not None:
        summary[name] = text
    else:
        logger.log_hyperparams({name: text})


def close_logger(logger: Logger | None, failed: bool = False) -> None:
    """End the run, so that its files are whole and the next run of a sweep is one of its own; once more does nothing."""
    if logger is None:
        return
    logger.finalize("failed" if failed else "success")
    finish = getattr(logger.experiment, "finish", None)
    if finish is not None:
        finish(exit_code=int(failed))


_KINDS = {"wandb": _wandb, "csv": _csv, "none": _none}
