"""Stop when the loss is no longer a number, with the last good weights in the network."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback
from torch import Tensor, nn

from easiedge.errors import NotFiniteError
from easiedge.training.best_epoch import snapshot
from easiedge.training.step_loss import step_loss


class FiniteLoss(Callback):
    """Watch the training loss and the weights; at the first NaN or infinity restore the end of the last good epoch and stop.

    On an accelerator the loss is looked at every ``every`` steps and at the end of each epoch, so that no step waits for it.

    Args:
        network: whose weights are restored; the LightningModule's own by default.
        every: steps between two looks on an accelerator; on the CPU it is every step.
    """

    def __init__(self, network: nn.Module | None = None, every: int = 50) -> None:
        self.network = network
        self.every = every
        self.good: dict[str, Tensor] = {}
        self.good_epoch: int | None = None
        self._bad: Tensor | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The start is the first state to go back to."""
        self._bad = None
        if not self.good:  # else those of the run that is resumed
            self.good, self.good_epoch = snapshot(self.network or pl_module), None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Gather whether any loss was not finite; look at it when it costs nothing."""
        loss = step_loss(outputs)
        if loss is None:
            return
        bad = ~torch.isfinite(loss.detach()).all()
        self._bad = bad if self._bad is None else self._bad | bad
        if (loss.device.type == "cpu" or (batch_idx + 1) % self.every == 0) and bool(self._bad):
            self._stop(
                pl_module,
                f"the training loss was not finite in epoch {trainer.current_epoch + 1}, by step {batch_idx + 1}",
            )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A finished epoch with finite weights is the new state to go back to."""
        network = self.network or pl_module
        if self._bad is not None and bool(self._bad):
            self._stop(pl_module, f"the training loss was not finite in epoch {trainer.current_epoch + 1}")
        weights = snapshot(network)
        broken = next(
            (name for name, w in weights.items() if w.is_floating_point() and not bool(torch.isfinite(w).all())), None
        )
        if broken is not None:
            self._stop(pl_module, f"{broken!r} was not finite at the end of epoch {trainer.current_epoch + 1}")
        self.good, self.good_epoch = weights, trainer.current_epoch

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"good": self.good, "good_epoch": self.good_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.good, self.good_epoch = state_dict["good"], state_dict["good_epoch"]

    def _stop(self, pl_module: pl.LightningModule, what: str) -> None:
        (self.network or pl_module).load_state_dict(self.good)
        kept = (
            "its state before training"
            if self.good_epoch is None
            else f"its state at the end of epoch {self.good_epoch + 1}"
        )
        raise NotFiniteError(
            f"{what}: training stopped and the network was put back to {kept}; lower the learning rate or rho, or train in 32-true",
            what,
            0 if self.good_epoch is None else self.good_epoch + 1,
        )
