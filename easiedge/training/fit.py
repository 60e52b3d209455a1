"""Train a network: plain PyTorch in and out, Lightning in between and out of sight."""

from __future__ import annotations

import logging
import signal
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.warnings import PossibleUserWarning
from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger
from torch import nn
from torch.utils.data import DataLoader

from easiedge.errors import DataError
from easiedge.model.graph import device_of
from easiedge.training.best_epoch import BestEpoch
from easiedge.training.classifier import BATCH_OF_ONE, Classifier
from easiedge.training.finite_loss import FiniteLoss
from easiedge.training.precision import Precision, choose_precision
from easiedge.training.progress import EpochProgress
from easiedge.training.recipe import Recipe


@dataclass(frozen=True)
class FitResult:
    """What training did.

    Attributes:
        best_epoch: epoch from 0 whose weights the network holds; None when it holds the last epoch's.
        val_accuracy: validation accuracy of that epoch in [0, 1], in the precision of training; None without validation data.
        history: logged figures of each epoch.
        seconds: wall time.
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

    Raises:
        DataError: a training batch of one image with batch norm, or no batches.
        TrainingError: the loss is not finite; the network holds the last good epoch.
        KeyboardInterrupt: interrupted; the network holds its weights of that moment.
    """
    _check_batches(network, train_loader)
    chosen = (
        precision if isinstance(precision, Precision) else choose_precision(network, _example(train_loader), precision)
    )
    keep = best if isinstance(best, BestEpoch) else BestEpoch(network) if best and val_loader is not None else None
    history = _History()
    watchers: list[Callback] = [FiniteLoss(network), *callbacks, history]  # a loss that is not finite is met first
    watchers += [EpochProgress(label)] if progress else []
    watchers += [keep] if keep is not None else []
    home, modes, started = device_of(network), [(m, m.training) for m in network.modules()], time.monotonic()
    if seed is not None:
        pl.seed_everything(seed, workers=True, verbose=False)
    with _quiet():
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
        trainer = pl.Trainer(**{**options, **dict(trainer_options or {})})
        _lay_out(network, torch.channels_last, chosen.channels_last)
        network.train()
        try:
            with _interruptible():
                trainer.fit(
                    Classifier(network, recipe, tutor, chosen.channels_last),
                    _Batches.of(train_loader),
                    _Batches.of(val_loader),
                )
        finally:
            network.to(home)
            _lay_out(network, torch.contiguous_format, chosen.channels_last)
            for module, mode in modes:
                module.training = mode
    if not history.epochs:
        raise DataError(NO_BATCHES)
    found = keep is not None and keep.epoch is not None
    last = history.epochs[-1].get("val_accuracy") if history.epochs else None
    return FitResult(
        best_epoch=keep.epoch if keep is not None and found else None,
        val_accuracy=keep.value if keep is not None and found else last,
        history=history.epochs,
        seconds=time.monotonic() - started,
        precision=chosen,
    )


class _Batches:
    """Any iterable of batches as one loader; Lightning would take a list for many loaders."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self.batches = batches

    @staticmethod
    def of(loader: Iterable[Any] | None) -> Any:
        """The loader itself if it is a DataLoader."""
        if loader is None or isinstance(loader, DataLoader):
            return loader
        return _SizedBatches(loader) if hasattr(loader, "__len__") else _Batches(loader)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


class _SizedBatches(_Batches):
    """The same for one that knows its length, by which the learning rate is scheduled."""

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]


class _History(Callback):
    """Keeps the logged figures of each epoch."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copy what was logged so far."""
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.epochs.append({"epoch": float(trainer.current_epoch), **figures})


def _check_batches(network: nn.Module, loader: Iterable[Any]) -> None:
    """Refuse a loader that can be gone through only once, or that will give a single image to batch norm, before any work."""
    if isinstance(loader, Iterator):
        raise DataError("the training batches are an iterator, used up after one epoch: pass a DataLoader or a list of batches")
    if not isinstance(loader, DataLoader) or loader.batch_size is None or not hasattr(loader.dataset, "__len__"):
        return
    images = len(loader.dataset)
    if images == 0:
        raise DataError("the training set is empty: check the folder and the split")
    if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules()):
        return
    if loader.batch_size == 1 or (images % loader.batch_size == 1 and not loader.drop_last):
        raise DataError(BATCH_OF_ONE)


def _example(loader: Iterable[Any]) -> Any:
    """Two images of the first batch; drawing them leaves the random state alone."""
    own = getattr(loader, "generator", None)
    before = torch.get_rng_state(), own.get_state() if own is not None else None
    batch = next(iter(loader), None)
    torch.set_rng_state(before[0])
    if own is not None:
        own.set_state(before[1])
    if batch is None:
        raise DataError(
            "there are no training batches: the training set is smaller than a batch with drop_last, or the loader is used up"
        )
    return (batch if isinstance(batch, torch.Tensor) else batch[0])[:2]


def _lay_out(network: nn.Module, memory_format: torch.memory_format, wanted: bool) -> None:
    if wanted:
        network.to(memory_format=memory_format)  # type: ignore[call-overload]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice and notices from the terminal; its errors stay, and so do everyone else's warnings."""
    loggers = [
        logging.getLogger(name)
        for name in ("pytorch_lightning", "lightning_fabric", "pytorch_lightning.utilities.rank_zero")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PossibleUserWarning)
            warnings.filterwarnings(
                "ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated", category=FutureWarning
            )
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Give Ctrl-C back to the caller: Lightning turns it into SystemExit and switches it off."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
