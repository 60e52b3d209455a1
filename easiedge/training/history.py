"""The figures of every epoch."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import Callback


class History(Callback):
    """Keeps what was logged.

    Attributes:
        epochs: figures of each epoch, with ``epoch`` from 0 and the learning rate ``lr`` at its end.
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copy what was logged so far, and the learning rate."""
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
        self.epochs.append({"epoch": float(trainer.current_epoch), "lr": float(max(rates, default=0.0)), **figures})

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.epochs = state_dict["epochs"]
