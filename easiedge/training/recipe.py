"""A training recipe: everything that shapes an optimiser run, apart from the network and the data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from easiedge.errors import TrainingError
from easiedge.plain_values import is_number, is_whole
from easiedge.training.learning_rate import SCHEDULES
from easiedge.training.optimization import OPTIMIZERS

MOST_EPOCHS = 10**9


@dataclass(frozen=True)
class Recipe:
    """How to train; the same fields serve dense training, the W-step and fine-tuning.

    Attributes:
        epochs: passes over the training batches.
        optimizer: ``"sgd"`` or ``"adamw"``.
        lr: highest learning rate of the schedule.
        momentum: of SGD.
        nesterov: Nesterov's form of the momentum.
        weight_decay: L2 decay (decoupled for AdamW).
        decay_norm_and_bias: decay norm scales, shifts and biases too.
        schedule: ``"one_cycle"``, ``"cosine"`` or ``"constant"``.
        warmup: share of all steps in which the rate rises linearly.
        label_smoothing: share of the target spread over all classes.
        gradient_clip: bound on the gradient's norm; None for no bound.
        distillation: weight in [0, 1] of the tutor's soft targets, where a tutor is given.
        temperature: softmax temperature of the distillation.
        young_norms: in fine-tuning, measure batch norm's statistics anew before an epoch is judged in which running averages are still
            young (`easiedge.training.young_norms`).
    """

    epochs: int = 10
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    decay_norm_and_bias: bool = False
    schedule: str = "one_cycle"
    warmup: float = 0.25
    label_smoothing: float = 0.0
    gradient_clip: float | None = None
    distillation: float = 0.5
    temperature: float = 4.0
    young_norms: bool = True

    def __post_init__(self) -> None:
        """Refuse values that cannot train, naming the field and its range."""
        if self.optimizer not in OPTIMIZERS:
            raise TrainingError(
                f"recipe.optimizer={self.optimizer!r} is unknown: choose one of {', '.join(OPTIMIZERS)}"
            )
        if self.schedule not in SCHEDULES:
            raise TrainingError(f"recipe.schedule={self.schedule!r} is unknown: choose one of {', '.join(SCHEDULES)}")
        self._within("momentum", 0.0, 1.0)
        if self.nesterov and self.optimizer == "sgd" and self.momentum == 0.0:
            raise TrainingError("recipe.nesterov needs momentum: give recipe.momentum over 0, or nesterov=false")
        if not is_whole(self.epochs):
            raise TrainingError(f"recipe.epochs={self.epochs} must be a whole number from 1")
        for name in ("nesterov", "decay_norm_and_bias", "young_norms"):
            if not isinstance(getattr(self, name), bool):
                raise TrainingError(f"recipe.{name}={getattr(self, name)} must be true or false")
        self._within("epochs", 1, MOST_EPOCHS)
        self._within("lr", 0.0, math.inf, open_below=True)
        self._within("weight_decay", 0.0, math.inf)
        self._within("temperature", 0.0, math.inf, open_below=True)
        for share in ("warmup", "label_smoothing", "distillation"):
            self._within(share, 0.0, 1.0)
        if self.gradient_clip is not None:
            self._within("gradient_clip", 0.0, math.inf, open_below=True)

    def _within(self, name: str, low: float, high: float, open_below: bool = False) -> None:
        value = getattr(self, name)
        interval = f"{'(' if open_below else '['}{low:g}, {high:g}{')' if high == math.inf else ']'}"
        if not is_number(value):
            raise TrainingError(f"recipe.{name}={value!r} is not a number: give one in {interval}")
        if not low <= value <= high or (open_below and value == low) or value == math.inf:
            raise TrainingError(f"recipe.{name}={value} is outside {interval}")
