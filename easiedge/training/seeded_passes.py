"""A DataLoader whose order and augmentation depend on nothing but a seed and the number of the pass."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from easiedge.seeds import numbered_seed
from easiedge.training.resume.random_state import random_state, restore_random_state


class SeededPasses:
    """The batches of a DataLoader, drawn with random generators of their own, so that a resumed pass sees what an unbroken one would.

    What training draws and what loading draws do not mix.  Workers are seeded by the loader; those that stay from pass to pass
    (``persistent_workers``) keep states that no one else knows, so that a run that was resumed sees other augmentations from there on.

    Args:
        loader: of a data set whose length is known.
        seed: of all passes.

    Attributes:
        epoch: number of the next pass; set it to resume.
    """

    def __init__(self, loader: DataLoader[Any], seed: int) -> None:
        self.loader, self.seed, self.epoch = loader, seed, 0

    @staticmethod
    def of(batches: Iterable[Any], seed: int) -> Iterable[Any]:
        """The batches themselves unless they are a DataLoader of a data set whose length is known."""
        known = isinstance(batches, DataLoader) and not isinstance(batches.dataset, IterableDataset)
        return SeededPasses(batches, seed) if known else batches  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        own, count = OwnGenerators(numbered_seed(self.seed, self.epoch)), len(self)
        with own.active():
            for generator in (self.loader.generator, getattr(self.loader.sampler, "generator", None)):
                if generator is not None:
                    generator.manual_seed(own.seed)
            batches = iter(self.loader)
        for number in range(1, count + 1):
            with own.active():
                batch = next(batches, None)
            if number == count:  # looking at the first batches is no pass
                self.epoch += 1
            if batch is not None:
                yield batch


class OwnGenerators:
    """The processor's random generators of Python, NumPy and torch, as they would be if nothing else drew from them.

    Args:
        seed: they start from.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._state: dict[str, Any] | None = None

    @contextmanager
    def active(self) -> Iterator[None]:
        """Within, they take the place of the global ones."""
        before = random_state(gpus=False)
        if self._state is None:
            random.seed(self.seed)
            np.random.seed(self.seed % 2**32)  # noqa: NPY002  # the global one, which data sets use
            torch.default_generator.manual_seed(self.seed)
        else:
            restore_random_state(self._state)
        try:
            yield
        finally:
            self._state = random_state(gpus=False)
            restore_random_state(before)
