"""How far training is, and how long it still takes: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import math
import sys
import time
from typing import Any, TextIO

import pytorch_lightning as pl
from pytorch_lightning import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

METRICS = {
    "train_loss": "train loss",
    "val_loss": "val loss",
    "val_accuracy": "val accuracy",
    "admm/masked_accuracy": "masked accuracy",
}

BAR_METRICS = {"admm/masked_accuracy": "masked accuracy", "val_accuracy": "val accuracy", "train_loss": "train loss"}
"""What a bar, which has one line of the terminal, shows: the first of these that is logged."""


def clock(seconds: float) -> str:
    """``m:ss``, or ``h:mm:ss`` from an hour on."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def terminal_bar(stream: TextIO) -> Progress:
    """A bar with a description, a count and the time left, which vanishes when it stops."""
    columns = (
        TextColumn("{task.description}", markup=False),  # a name may hold square brackets
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    return Progress(*columns, console=Console(file=stream), transient=True)


class EpochProgress(Callback):
    """Shows epochs, figures and the time left.

    Args:
        label: what is going on, such as ``"fine-tuning"``.
        stream: where to write; standard error by default.
    """

    def __init__(self, label: str = "training", stream: TextIO | None = None) -> None:
        self.label = label
        self.stream = stream if stream is not None else sys.stderr
        self._bar: Progress | None = None
        self._started = 0.0
        self._first = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock; on a terminal, a bar over all steps of all epochs."""
        self._started, self._first = time.monotonic(), trainer.current_epoch
        if self.stream.isatty():
            steps = trainer.num_training_batches * ((trainer.max_epochs or 0) - self._first)
            self._bar = terminal_bar(self.stream)
            self._bar.add_task(self.label, total=steps if math.isfinite(steps) and steps > 0 else None)
            self._bar.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """One step further."""
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The epoch's figures, and the time left at this pace."""
        done = trainer.current_epoch + 1
        logged = trainer.callback_metrics
        figures = "  ".join(f"{title} {float(logged[key]):.4f}" for key, title in METRICS.items() if key in logged)
        if self._bar is not None:
            short = next(
                (f"  {title} {float(logged[key]):.4f}" for key, title in BAR_METRICS.items() if key in logged), ""
            )
            self._bar.update(self._bar.task_ids[0], description=f"{self.label} {done}/{trainer.max_epochs}{short}")
            return
        per_epoch = (time.monotonic() - self._started) / (done - self._first)
        left = per_epoch * max((trainer.max_epochs or done) - done, 0)
        print(
            f"{self.label}: epoch {done}/{trainer.max_epochs}  {figures}  {clock(left)} left",
            file=self.stream,
            flush=True,
        )

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clear the bar."""
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Clear the bar before the message."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
