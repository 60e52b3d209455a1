"""Keep the weights of the best validation epoch."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import safetensors.torch
from pytorch_lightning import Callback
from torch import Tensor, nn

from easiedge.atomic import write_atomically
from easiedge.errors import WriteError

log = logging.getLogger(__name__)


class BestEpoch(Callback):
    """Remember the epoch with the highest monitored metric, and put the network back to it at the end.

    Only validation data decide; among equal epochs the one with the lower ``val_loss``, then the earliest, wins; a metric
    that is NaN never does.

    Args:
        network: whose weights and buffers are kept; the LightningModule's own by default.
        monitor: logged metric, higher is better.
        eligible: asked at each validation; an epoch counts only where it says True, such as when the budget is met.
        path: a safetensors file that always holds the best epoch so far, replaced atomically; None keeps it in memory only.  Where
            it cannot be written training goes on, and says so once: it is a convenience, since the state of the run holds the epoch too.

    Attributes:
        epoch: the best epoch from 0, None while there is none.
        value: its metric.
    """

    def __init__(
        self,
        network: nn.Module | None = None,
        monitor: str = "val_accuracy",
        eligible: Callable[[], bool] | None = None,
        path: Path | None = None,
    ) -> None:
        self.network = network
        self.monitor = monitor
        self.eligible = eligible
        self.path = path
        self.epoch: int | None = None
        self.value = -math.inf
        self.loss = math.inf
        self.weights: dict[str, Tensor] = {}
        self.warned = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the weights if this epoch is the best one that counts."""
        if trainer.sanity_checking or self.monitor not in trainer.callback_metrics:
            return
        value = float(trainer.callback_metrics[self.monitor])
        loss = float(trainer.callback_metrics.get("val_loss", math.inf))
        better = value > self.value or (value == self.value and loss < self.loss)
        if not better or (self.eligible is not None and not self.eligible()):
            return
        self.epoch, self.value, self.loss = trainer.current_epoch, value, loss
        self.weights = snapshot(self.network or pl_module)
        if self.path is not None:
            self._write(self.path)

    def _write(self, path: Path) -> None:
        try:
            write_atomically(path, safetensors.torch.save(self.weights))
        except WriteError as error:
            log.log(
                logging.DEBUG if self.warned else logging.WARNING,
                "the best epoch is not saved, and the run goes on: %s",
                error,
            )
            self.warned = True

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the best epoch back."""
        if self.epoch is not None:
            (self.network or pl_module).load_state_dict(self.weights)
        elif self.eligible is not None:
            log.warning("no epoch was eligible as the best one: the network stays as the last epoch left it")

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"epoch": self.epoch, "value": self.value, "loss": self.loss, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.epoch, self.value, self.loss = state_dict["epoch"], state_dict["value"], state_dict["loss"]
        self.weights = state_dict["weights"]


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """Contiguous copies of all weights and buffers on the CPU."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()}
