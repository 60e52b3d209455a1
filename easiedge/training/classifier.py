"""The LightningModule of all training: dense, W-step and fine-tuning."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from easiedge.errors import DataError
from easiedge.processes import summed, world_size
from easiedge.training.batches import BATCH_OF_ONE
from easiedge.training.evaluate import logits_of
from easiedge.training.learning_rate import SCHEDULES
from easiedge.training.loss import classification_loss, distillation_loss
from easiedge.training.optimization import make_optimizer
from easiedge.training.parts import share_of
from easiedge.training.recipe import Recipe
from easiedge.training.step_loss import WHOLE
from easiedge.training.whole_batch_norm import whole_batch_norm


class Classifier(LightningModule):
    """Trains any network whose output is class logits (or has a field ``logits``).

    Logs ``val_loss`` and ``val_accuracy`` once an epoch (`easiedge.training.train_loss` logs ``train_loss``).

    Args:
        network: trained in place.
        recipe: optimiser, schedule and loss.
        tutor: distilled from where the recipe's ``distillation`` is over 0.  A frozen copy in eval mode is used; it is no
            submodule, so its weights are neither trained nor saved.
        channels_last: put image batches into the channels-last layout (the caller does so with the network).
    """

    def __init__(
        self, network: nn.Module, recipe: Recipe, tutor: nn.Module | None = None, channels_last: bool = False
    ) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.channels_last = channels_last
        self._tutor = () if tutor is None or recipe.distillation == 0.0 else (_frozen(tutor, channels_last),)
        self._normed = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``[batch, classes]``."""
        return logits_of(self.network(self._laid_out(inputs)))

    def on_fit_start(self) -> None:
        """Bring the tutor to the network's device."""
        for tutor in self._tutor:
            tutor.to(self.device)

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """The recipe's loss on ``(inputs, targets)``: this process's addend of it, to differentiate, and that of the whole batch.

        Raises:
            DataError: one image alone, in a network with batch norm.
        """
        inputs, targets = batch[0], batch[1]
        own, images = share_of(batch)
        if images == 1 and self._normed:
            raise DataError(BATCH_OF_ONE)
        with whole_batch_norm(present=own > 0):
            outputs = self(inputs)
        loss = self._loss(outputs, inputs, targets)
        if world_size() == 1:
            return {"loss": loss, WHOLE: loss.detach()}
        loss = loss * (own / images)
        return {"loss": loss, WHOLE: summed(loss.detach().clone())}

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Loss on the labels and top-1 accuracy."""
        inputs, targets = batch[0], batch[1]
        outputs = self(inputs)
        loss, right = classification_loss(outputs, targets), (outputs.argmax(1) == targets).float().mean()
        own, images = share_of(batch)
        if world_size() > 1:
            both = torch.stack([loss.double() * own, right.double().mul(len(targets)).round() * min(own, 1)])
            loss, right = (summed(both) / images).float()
        self.log("val_loss", loss, batch_size=images)
        self.log("val_accuracy", right, batch_size=images)

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser; the schedule moves every step, or every epoch where the number of steps is not known."""
        optimizer = make_optimizer(self.network, self.recipe)
        steps = float(self.trainer.estimated_stepping_batches)
        per_step = math.isfinite(steps) and steps > 0
        total = steps if per_step else float(max(self.trainer.max_epochs or 1, 1))
        factor = SCHEDULES[self.recipe.schedule]
        warmup = self.recipe.warmup
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda done: factor(min((done + 1) / total, 1.0), warmup)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step" if per_step else "epoch"},
        }

    def _loss(self, outputs: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        recipe = self.recipe
        for tutor in self._tutor:
            with torch.no_grad():
                taught = logits_of(tutor(self._laid_out(inputs)))
            return distillation_loss(
                outputs, taught, targets, recipe.temperature, recipe.distillation, recipe.label_smoothing
            )
        return classification_loss(outputs, targets, recipe.label_smoothing)

    def _laid_out(self, inputs: Tensor) -> Tensor:
        return (
            inputs.contiguous(memory_format=torch.channels_last) if self.channels_last and inputs.ndim == 4 else inputs
        )


def _frozen(tutor: nn.Module, channels_last: bool) -> nn.Module:
    frozen = copy.deepcopy(tutor).eval().requires_grad_(False)
    return frozen.to(memory_format=torch.channels_last) if channels_last else frozen  # type: ignore[call-overload]
