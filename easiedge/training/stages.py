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
from easiedge.errors import NotFiniteError, TrainingError
from easiedge.model.graph import device_of
from easiedge.processes import told
from easiedge.training.batches import example_inputs
from easiedge.training.best_epoch import BestEpoch, snapshot
from easiedge.training.curves import Curves
from easiedge.training.divergence import ATTEMPTS, FACTOR, Divergence
from easiedge.training.evaluate import logits
from easiedge.training.fit import FitResult, fit
from easiedge.training.known_quality import KnownQuality
from easiedge.training.loggers import name_curves
from easiedge.training.precision import Precision, choose_precision
from easiedge.training.recipe import Recipe
from easiedge.training.resume.memory import RunMemory
from easiedge.training.young_norms import YoungNorms

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
        memory: of the run, for going on where it was; None remembers nothing.
        quality: measures accuracy and loss.
        calibration: training images without augmentation, on which batch norm is measured in the first steps of fine-tuning
            (`YoungNorms`); none leaves it to training.
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
    memory: RunMemory | None = None
    quality: KnownQuality = field(default_factory=KnownQuality)
    calibration: Sequence[Any] = ()

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
        if recipe == "finetune" and self.calibration and chosen.young_norms:
            callbacks = [*callbacks, YoungNorms(network, self.calibration)]
        seconds = 0.0
        for number, watch in enumerate(attempts):
            epoch = getattr(self.train_batches, "epoch", None)
            attempt = replace(chosen, lr=chosen.lr * FACTOR**number)
            watchers = [*callbacks, *([] if watch is None else [watch])]
            result = self._backing_off(network, attempt, recipe, label, watchers, tutor, keep_best)
            seconds += result.seconds
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
        return replace(result, seconds=seconds)

    def _backing_off(
        self, network: nn.Module, recipe: Recipe, name: str, label: str, callbacks: Sequence[Callback], tutor: nn.Module | None,
        keep_best: bool,
    ) -> FitResult:  # fmt: skip
        """Train; where the loss becomes infinite or no number, go on once from the last good epoch with a quarter of the learning rate."""
        best: BestEpoch | bool = keep_best
        if keep_best:
            path = self.directory / "checkpoints" / f"{name}-best.safetensors" if self.directory is not None else None
            best = BestEpoch(network, path=path)
        try:
            return self._fit(network, recipe, label, callbacks, tutor, best)
        except NotFiniteError as error:
            slower = replace(recipe, lr=recipe.lr * FACTOR, epochs=recipe.epochs - error.epochs)
            where = f"the end of epoch {error.epochs}" if error.epochs else "the start"
            log.warning("%s: %s; it goes on from %s with a learning rate of %.2g", label, error.what, where, slower.lr)
            good = error.history
        with self._rescued(network, name):
            result = self._fit(network, slower, label, callbacks, tutor, best)
        return replace(result, history=[*good, *result.history])

    def _fit(
        self, network: nn.Module, recipe: Recipe, label: str, callbacks: Sequence[Callback], tutor: nn.Module | None,
        best: BestEpoch | bool,
    ) -> FitResult:  # fmt: skip
        memory = None
        if self.memory is not None:
            epoch = getattr(self.train_batches, "epoch", None)
            memory = self.memory.stage(label, network, tutor, recipe, epoch, bool(best), len(callbacks))
        return fit(
            network, self.train_batches, self.val_batches, recipe, callbacks=callbacks, logger=self.logger, precision=self.precision,
            seed=self.seed, progress=self.progress, label=label, tutor=tutor, best=best, trainer_options=self.options, memory=memory,
        )  # fmt: skip

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
        right, loss = told(self.quality(network, self.val_batches, self._arithmetic(network)))
        return right, -loss

    def validate(self, network: nn.Module) -> float:
        """Validation accuracy in [0, 1], in the arithmetic of training, as its epochs are measured."""
        return told(self.quality(network, self.val_batches, self._arithmetic(network))[0])

    def _arithmetic(self, network: nn.Module) -> Precision:
        """What training of this network takes."""
        example = example_inputs(self.val_batches).to(device_of(network))
        return choose_precision(network, example, self.precision, told=False)
