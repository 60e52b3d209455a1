"""The training stages of one run: same data, precision, logger and seed, another recipe for each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import safetensors.torch
from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger
from torch import nn

from easiedge.atomic import write_atomically
from easiedge.errors import TrainingError
from easiedge.training.best_epoch import BestEpoch, snapshot
from easiedge.training.curves import Curves
from easiedge.training.divergence import ATTEMPTS, FACTOR, Divergence
from easiedge.training.evaluate import accuracy, accuracy_and_loss, logits
from easiedge.training.fit import FitResult, fit
from easiedge.training.loggers import name_curves
from easiedge.training.recipe import Recipe

log = logging.getLogger(__name__)


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
        directory: where ``checkpoints/STAGE-best.safetensors`` holds the best epoch so far, and ``checkpoints/STAGE-last-good``
            the network of a stage that had to stop; None keeps both in memory only.
        curves: where the epochs of all stages are collected, or None.
    """

    train_batches: Iterable[Any]
    val_batches: Iterable[Any]
    recipes: Mapping[str, Recipe]
    precision: str = "auto"
    logger: Logger | None = None
    seed: int = 0
    progress: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    directory: Path | None = None
    curves: Curves | None = None

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
        keep_start: bool = False,
    ) -> FitResult:
        """Train ``network`` in place by the recipe of that name, for ``epochs`` instead of the recipe's if given.

        With ``keep_start`` the network as it came counts as an epoch too: if no epoch is better on validation data
        (accuracy, then loss), it comes back as it was.
        """
        if recipe not in self.recipes:
            raise TrainingError(f"there is no recipe {recipe!r}: this run has {', '.join(self.recipes)}")
        chosen = self.recipes[recipe] if epochs is None else replace(self.recipes[recipe], epochs=epochs)
        if self.logger is not None:
            name_curves(self.logger, recipe)
        label = stage or recipe
        before = (snapshot(network), self._quality(network)) if keep_start else None
        attempts = self._attempts(network, before[1]) if before is not None else [None]
        for number, watch in enumerate(attempts):
            best: BestEpoch | bool = keep_best
            if keep_best and self.directory is not None:
                best = BestEpoch(network, path=self.directory / "checkpoints" / f"{recipe}-best.safetensors")
            epoch = getattr(self.train_batches, "epoch", None)
            with self._rescued(network, recipe):
                result = fit(
                    network,
                    self.train_batches,
                    self.val_batches,
                    replace(chosen, lr=chosen.lr * FACTOR**number),
                    callbacks=[*callbacks, *([] if watch is None else [watch])],
                    logger=self.logger,
                    precision=self.precision,
                    seed=self.seed,
                    progress=self.progress,
                    label=label,
                    tutor=tutor,
                    best=best,
                    trainer_options=self.options,
                )
            gone = before is not None and watch is not None and watch.found
            if self.curves is not None:
                self.curves.add(f"{label}, too fast" if gone else label, result.history)
            if not gone:
                break
            assert before is not None
            network.load_state_dict(before[0])
            if epoch is not None:
                self.train_batches.epoch = epoch  # type: ignore[attr-defined]
            log.warning(
                "%s: after one epoch the network was worse than before and than guessing; it starts again with a learning rate of %.2g",
                label,
                chosen.lr * FACTOR ** (number + 1),
            )
        if before is not None and before[1] >= self._quality(network):
            log.info("%s: no epoch is better than the start, which stays", label)
            network.load_state_dict(before[0])
        return result

    def _attempts(self, network: nn.Module, quality: tuple[float, float]) -> list[Divergence | None]:
        """A watch for each attempt but the last."""
        classes = logits(network, islice(self.val_batches, 1)).shape[1]
        return [*(Divergence(classes, -quality[1]) for _ in range(ATTEMPTS)), None]

    @contextmanager
    def _rescued(self, network: nn.Module, recipe: str) -> Iterator[None]:
        """When training has to stop, put the last good state, which the network then holds, on disk and say where."""
        try:
            yield
        except TrainingError as error:
            if self.directory is None:
                raise
            path = self.directory / "checkpoints" / f"{recipe}-last-good.safetensors"
            write_atomically(path, safetensors.torch.save(snapshot(network)))
            raise TrainingError(f"{error}; the weights of that state are in {path}") from error

    def _quality(self, network: nn.Module) -> tuple[float, float]:
        right, loss = accuracy_and_loss(network, self.val_batches)
        return right, -loss

    def validate(self, network: nn.Module) -> float:
        """Validation accuracy in [0, 1]."""
        return accuracy(network, self.val_batches)
