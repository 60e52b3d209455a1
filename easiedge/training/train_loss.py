"""The mean training loss over all images of an epoch, whether or not the epoch was interrupted."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback
from torch import Tensor

from easiedge.training.parts import share_of
from easiedge.training.step_loss import step_loss


class TrainLoss(Callback):
    """Logs ``train_loss = sum_b n_b loss_b / sum_b n_b`` over the batches of an epoch."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._images = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add the batch's loss, in double precision, without waiting for the device."""
        loss = step_loss(outputs)
        if loss is None:
            return
        images = share_of(batch)[1]
        part = loss.detach().to(torch.float64 if loss.device.type != "mps" else torch.float32) * images
        self._sum = part if self._sum is None else self._sum + part
        self._images += images

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the mean, and begin anew."""
        if self._sum is not None:
            mean = (self._sum / max(self._images, 1)).float()
            pl_module.log("train_loss", mean, on_step=False, on_epoch=True, batch_size=1)
        self._sum, self._images = None, 0

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"sum": self._sum, "images": self._images}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._sum, self._images = state_dict["sum"], state_dict["images"]
