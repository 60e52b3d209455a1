"""Training that begins too fast: after the first epoch the network is worse than one that guesses, and worse than it was.

A network that was refitted after losing most of a layer can hold weights for which the recipe's learning rate is too high.  With the
cross-entropy of guessing among C classes, ``ln C``, training has begun too fast where the validation loss after an epoch is

    loss >= max(ln C, loss before).
"""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import Callback

ATTEMPTS = 3  # with a learning rate that is a quarter of the one before
FACTOR = 0.25


class Divergence(Callback):
    """Stops after the first epoch if its validation loss is that of guessing or more.

    Args:
        classes: among which the network chooses.
        before: validation loss of the network before training.

    Attributes:
        found: whether it has stopped training.
    """

    def __init__(self, classes: int, before: float) -> None:
        guessing = math.log(max(classes, 2))
        self.limit = max(guessing, before) if math.isfinite(before) else guessing
        self.found = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the first epoch."""
        loss = trainer.callback_metrics.get("val_loss")
        if trainer.sanity_checking or trainer.current_epoch > 0 or loss is None:
            return
        if not float(loss) < self.limit:
            self.found = trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Whether it has stopped training."""
        return {"found": self.found}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.found = bool(state_dict["found"])
