"""The training stages of one run: same data, precision, logger and seed, another recipe for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger
from torch import nn

from easiedge.errors import TrainingError
from easiedge.training.evaluate import accuracy
from easiedge.training.fit import FitResult, fit
from easiedge.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Stages:
    """Trains networks stage by stage.

    Attributes:
        train_batches: batches (inputs, targets), gone through once an epoch.
        val_batches: validation batches; they choose the best epoch.
        recipes: by name: ``train`` (dense), ``admm`` (W-step), ``finetune``.
        precision: as for `fit`.
        logger: where figures go, or None.
        seed: of every stage.
        progress: show progress.
        options: more arguments of Lightning's Trainer.
    """

    train_batches: Iterable[Any]
    val_batches: Iterable[Any]
    recipes: Mapping[str, Recipe]
    precision: str = "auto"
    logger: Logger | None = None
    seed: int = 0
    progress: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def train(
        self,
        network: nn.Module,
        *,
        recipe: str = "finetune",
        epochs: int | None = None,
        stage: str | None = None,
        callbacks: Sequence[Callback] = (),
        tutor: nn.Module | None = None,
        keep_best: bool = True,
    ) -> FitResult:
        """Train ``network`` in place by the recipe of that name, for ``epochs`` instead of the recipe's if given."""
        if recipe not in self.recipes:
            raise TrainingError(f"there is no recipe {recipe!r}: this run has {', '.join(self.recipes)}")
        chosen = self.recipes[recipe] if epochs is None else replace(self.recipes[recipe], epochs=epochs)
        if self.logger is not None:
            self.logger._prefix = recipe  # type: ignore[attr-defined]  # curves of the stages stay apart
        return fit(
            network, self.train_batches, self.val_batches, chosen, callbacks=callbacks, logger=self.logger, precision=self.precision,
            seed=self.seed, progress=self.progress, label=stage or recipe, tutor=tutor, best=keep_best, trainer_options=self.options,
        )  # fmt: skip

    def validate(self, network: nn.Module) -> float:
        """Validation accuracy in [0, 1]."""
        return accuracy(network, self.val_batches)
