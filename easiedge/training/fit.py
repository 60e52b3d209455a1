"""Train a network: plain PyTorch in and out, Lightning in between and out of sight."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger
from torch import nn

from easiedge.errors import DataError, NotFiniteError
from easiedge.kept_memory import kept_memory
from easiedge.model.graph import device_of
from easiedge.processes import first, rank, same_network, told, world_size
from easiedge.seeds import numbered_seed
from easiedge.training.batches import NO_BATCHES, Batches, SizedBatches, check_batches, example_inputs
from easiedge.training.best_epoch import BestEpoch
from easiedge.training.classifier import Classifier
from easiedge.training.finite_loss import FiniteLoss
from easiedge.training.history import History
from easiedge.training.interrupt import interruptible
from easiedge.training.next_epoch import NextEpoch
from easiedge.training.precision import Precision, choose_precision
from easiedge.training.progress import EpochProgress
from easiedge.training.quiet import quiet_lightning
from easiedge.training.recipe import Recipe
from easiedge.training.resume.memory import StageMemory
from easiedge.training.resume.random_state import random_state, restore_random_state
from easiedge.training.resume.remembering import Remembering
from easiedge.training.summed_gradients import SummedGradients
from easiedge.training.train_loss import TrainLoss


@dataclass(frozen=True)
class FitResult:
    """What training did.

    Attributes:
        best_epoch: epoch from 0 whose weights the network holds; None when it holds the last epoch's.
        val_accuracy: validation accuracy of that epoch in [0, 1], in the precision of training; None without validation data.
        history: logged figures of each epoch.
        seconds: wall time, that of earlier sessions of a training that was gone on with included.
        precision: the arithmetic that was used.
    """

    best_epoch: int | None
    val_accuracy: float | None
    history: list[dict[str, float]] = field(repr=False)
    seconds: float
    precision: Precision


def fit(
    network: nn.Module,
    train_loader: Iterable[Any],
    val_loader: Iterable[Any] | None,
    recipe: Recipe,
    *,
    callbacks: Sequence[Callback] = (),
    logger: Logger | None = None,
    precision: str | Precision = "auto",
    max_epochs: int | None = None,
    seed: int | None = None,
    progress: bool = True,
    label: str = "training",
    tutor: nn.Module | None = None,
    best: BestEpoch | bool = True,
    trainer_options: Mapping[str, Any] | None = None,
    memory: StageMemory | None = None,
) -> FitResult:
    """Train ``network`` in place; it comes back on its own device, in its own layout and mode.

    Args:
        network: a classifier.
        train_loader: batches of (inputs, targets), gone through once an epoch.
        val_loader: the same for choosing the best epoch; None trains to the last epoch.
        recipe: optimiser, schedule and loss.
        callbacks: more Lightning callbacks, such as `ADMMCallback`.
        logger: where figures go.
        precision: ``"auto"``, ``"bf16-mixed"``, ``"32-true"``, or a choice made before.
        max_epochs: instead of the recipe's.
        seed: of Python, NumPy and torch; None leaves the generators as they are.
        progress: show progress on standard error.
        label: what the progress calls this training.
        tutor: distilled from as the recipe says; left as it is.
        best: True keeps the best validation epoch, False the last one; or a `BestEpoch` made for this network.
        trainer_options: more arguments of Lightning's Trainer, such as ``accelerator`` or ``limit_train_batches``.
        memory: of this training: where it is finished nothing is trained, where it was under way it goes on, bit for bit as if it
            had never stopped.  For batches of known length whose order and content depend on their ``epoch`` alone.

    Raises:
        DataError: a training batch of one image with batch norm, or no batches.
        NotFiniteError: the loss is not finite; the network holds the last good epoch.
        KeyboardInterrupt: interrupted; the network holds its weights of that moment.
    """
    check_batches(network, train_loader)
    chosen = (
        precision
        if isinstance(precision, Precision)
        else choose_precision(network, example_inputs(train_loader), precision)
    )
    keep = best if isinstance(best, BestEpoch) else BestEpoch(network) if best and val_loader is not None else None
    history = History()
    watchers: list[Callback] = [
        SummedGradients(network),
        FiniteLoss(network),
        NextEpoch(train_loader),
        TrainLoss(),
        *callbacks,
        history,
    ]  # a loss that is not finite is met first
    watchers += [EpochProgress(label)] if progress else []
    watchers += [keep] if keep is not None else []
    loader = Batches.of(train_loader)
    resume = None
    if memory is not None and isinstance(loader, SizedBatches):
        resume = Remembering(memory, network, watchers, loader)
        _lay_out(network, torch.channels_last, chosen.channels_last)
        end = resume.end()
        _lay_out(network, torch.contiguous_format, chosen.channels_last)
        if end is not None:
            return _result(history, keep, end, chosen)
    home, modes, started = device_of(network), [(m, m.training) for m in network.modules()], time.monotonic()
    if seed is not None:
        pl.seed_everything(seed, workers=True, verbose=False)
        if not first():
            torch.manual_seed(numbered_seed(rank(), seed))  # dropout draws for other images
    with quiet_lightning(), kept_memory(), nullcontext() if resume is None else resume.stopping():
        options: dict[str, Any] = {
            "max_epochs": max_epochs if max_epochs is not None else recipe.epochs,
            "precision": chosen.precision,
            "gradient_clip_val": recipe.gradient_clip,
            "logger": logger if logger is not None else False,
            "callbacks": watchers,
            "accelerator": "auto" if torch.cuda.is_available() else "cpu",
            "devices": 1,
            "log_every_n_steps": 1_000_000,  # figures are epochs'
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
        }
        options |= dict(trainer_options or {})
        if world_size() > 1 and torch.cuda.is_available() and options["accelerator"] != "cpu":
            options["devices"] = [torch.cuda.current_device()]
        if resume is not None:
            options = resume.options(options)
        trainer = pl.Trainer(**options)
        _lay_out(network, torch.channels_last, chosen.channels_last)
        network.train()
        try:
            with interruptible():
                trainer.fit(
                    Classifier(network, recipe, tutor, chosen.channels_last),
                    loader,
                    Batches.of(val_loader),
                    ckpt_path=resume.path if resume is not None else None,
                )
        except NotFiniteError as error:
            error.history = history.epochs
            raise
        finally:
            network.to(home)
            network.zero_grad(set_to_none=True)
            _lay_out(network, torch.contiguous_format, chosen.channels_last)
            for module, mode in modes:
                module.training = mode
        if not history.epochs:
            raise DataError(NO_BATCHES)
        if world_size() > 1:
            same_network(network)
            restore_random_state(told(random_state()))
        seconds = time.monotonic() - started
        if resume is not None:
            seconds = resume.memory.seconds
            resume.finish(seconds)
    return _result(history, keep, seconds, chosen)


def _result(history: History, keep: BestEpoch | None, seconds: float, precision: Precision) -> FitResult:
    found = keep is not None and keep.epoch is not None
    last = history.epochs[-1].get("val_accuracy") if history.epochs else None
    return FitResult(
        best_epoch=keep.epoch if keep is not None and found else None,
        val_accuracy=keep.value if keep is not None and found else last,
        history=history.epochs,
        seconds=seconds,
        precision=precision,
    )


def _lay_out(network: nn.Module, memory_format: torch.memory_format, wanted: bool) -> None:
    if wanted:
        network.to(memory_format=memory_format)  # type: ignore[call-overload]
