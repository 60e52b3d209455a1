"""Training batches of any kind, checked before work begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from easiedge.errors import DataError
from easiedge.model.digest import UndigestibleError
from easiedge.processes import world_size
from easiedge.training.parts import own_part_of

BATCH_OF_ONE = (
    "a training batch holds a single image, and batch norm has nothing to average over: "
    "raise the batch size, or build the training loader with drop_last=True"
)
NO_BATCHES = (
    "there are no training batches: the training set is smaller than a batch with drop_last, or the loader is used up"
)


class Batches:
    """Any iterable of batches as one loader; Lightning would take a list for many loaders."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self.batches = batches

    @staticmethod
    def of(loader: Iterable[Any] | None) -> Any:
        """The loader itself if it is a DataLoader."""
        if loader is None or isinstance(loader, DataLoader):
            return loader
        return SizedBatches(loader) if hasattr(loader, "__len__") else Batches(loader)

    def __iter__(self) -> Iterator[Any]:
        return map(own_part_of, self.batches)


class SizedBatches(Batches):
    """The same for one that knows its length, by which the learning rate is scheduled, and that can go on in the middle of a pass.

    Attributes:
        epoch_of_pass: number of the pass under way, of batches that count them.
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        super().__init__(batches)
        self.epoch_of_pass, self._skipped = 0, 0

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        skipped, self._skipped = self._skipped, 0
        self.epoch_of_pass = self.epoch
        after = getattr(self.batches, "after", None)  # of batches that need not make what is skipped
        yield from map(own_part_of, islice(self.batches, skipped, None) if after is None else after(skipped))

    @property
    def epoch(self) -> int:
        """Number of the next pass; 0 for batches that do not count."""
        return int(getattr(self.batches, "epoch", 0))

    def go_on(self, epoch: int, position: int) -> None:
        """The next pass is that number, without its first ``position`` batches."""
        if hasattr(self.batches, "epoch"):
            self.batches.epoch = epoch
        self._skipped = position

    def state_dict(self) -> dict[str, Any]:
        """Nothing: `easiedge.training.resume.checkpoints` keeps the place; that there is one tells Lightning that it can go on."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing."""


def content_of(batches: Iterable[Any]) -> tuple[str, Any]:
    """What decides the batches, for `easiedge.model.digest.digest`: themselves, or the attributes of the object that gives them.

    Raises:
        UndigestibleError: there is nothing to go by.
    """
    if not isinstance(batches, list | tuple) and not hasattr(batches, "__dict__"):
        raise UndigestibleError(type(batches).__qualname__)
    return type(batches).__qualname__, batches if isinstance(batches, list | tuple) else vars(batches)


def check_batches(network: nn.Module, loader: Iterable[Any]) -> None:
    """Refuse a loader that can be gone through only once, or that will give a single image to batch norm, before any work."""
    loader = getattr(loader, "loader", loader)  # of seeded passes
    if isinstance(loader, Iterator):
        raise DataError(
            "the training batches are an iterator, used up after one epoch: pass a DataLoader or a list of batches"
        )
    if world_size() > 1 and not (hasattr(loader, "epoch") or isinstance(loader, list | tuple)):
        raise DataError(
            "several processes need batches that are the same in each: a list, or what depends on its attribute epoch alone"
        )
    if not isinstance(loader, DataLoader) or loader.batch_size is None or not hasattr(loader.dataset, "__len__"):
        return
    images = len(loader.dataset)
    if images == 0:
        raise DataError("the training set is empty: check the folder and the split")
    if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules()):
        return
    if loader.batch_size == 1 or (images % loader.batch_size == 1 and not loader.drop_last):
        raise DataError(BATCH_OF_ONE)


def example_inputs(loader: Iterable[Any]) -> Any:
    """Two images of the first batch; drawing them leaves the random state alone."""
    own = getattr(loader, "generator", None)
    before = torch.get_rng_state(), own.get_state() if own is not None else None
    batch = next(iter(loader), None)
    torch.set_rng_state(before[0])
    if own is not None:
        own.set_state(before[1])
    if batch is None:
        raise DataError(NO_BATCHES)
    return (batch if isinstance(batch, torch.Tensor) else batch[0])[:2]
