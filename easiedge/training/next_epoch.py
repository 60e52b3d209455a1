"""Every training epoch sees other batches, also where Lightning stops before the last one (``limit_train_batches``)."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import Callback


class NextEpoch(Callback):
    """Moves batches that count their passes on, where an epoch ended before they could themselves.

    Args:
        batches: with an ``epoch`` that decides order and augmentation; others are left alone.
    """

    def __init__(self, batches: Any) -> None:
        self.batches = batches
        self.before: int | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember the pass."""
        self.before = getattr(self.batches, "epoch", None)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The next pass, whether the batches have moved on themselves or not."""
        if self.before is not None:
            self.batches.epoch = self.before + 1

    def state_dict(self) -> dict[str, Any]:
        """The pass under way."""
        return {"before": self.before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.before = state_dict["before"]
