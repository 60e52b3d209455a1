"""Calibration batches that can be gone through again and again, without holding more of them than asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from easiedge.errors import DataError
from easiedge.scoring.batches import Batches, inputs_of


class Calibration:
    """The same batches in the same order, in every pass.

    A list stays with its owner.  Of a loader the batches are kept as long as they take at most ``memory`` bytes; a larger
    loader is read anew in every pass, and each pass is compared with the first.  What can be read only once is kept whole.

    Attributes:
        sizes: number of images of each batch.
        example: the first two images.
        memory_taken: bytes of the batches kept here.

    Raises:
        DataError: no batches, or values that are not finite; or, while iterating, a loader that gives other images than in its first pass.
    """

    def __init__(self, batches: Batches, memory: float, purpose: str) -> None:
        self.purpose = purpose
        self.sizes, self._sums = list[int](), list[float]()
        held: list[Any] | None = []
        size, once = 0, isinstance(batches, Iterator)
        for batch in batches:
            x = inputs_of(batch)
            if not self.sizes:
                self.example = x[:2].clone()
            if not bool(torch.isfinite(x).all()):
                raise DataError(
                    f"{purpose} cannot use calibration batch {len(self.sizes)}: it holds values that are not finite"
                )
            self.sizes.append(len(x))
            self._sums.append(_fingerprint(x))
            size += sum(t.nbytes for t in (batch if isinstance(batch, tuple | list) else [batch]) if torch.is_tensor(t))
            if held is not None:
                held.append(batch)
                if size > memory and not once:
                    held = None
        if not self.sizes:
            raise DataError(
                f"{purpose} was given no calibration batches: pass a list of batches, or a loader that is not used up"
            )
        self._batches = batches if isinstance(batches, Sequence) or held is None else held
        self.memory_taken = float(size) if held is not None and not isinstance(batches, Sequence) else 0.0
        self._reread = self._batches is batches and not isinstance(batches, Sequence)

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._sums)

    def __iter__(self) -> Iterator[Any]:
        """One pass over the batches."""
        number = -1
        for number, batch in enumerate(self._batches):
            if self._reread and (
                number >= len(self)
                or not math.isclose(_fingerprint(inputs_of(batch)), self._sums[number], rel_tol=1e-6)
            ):
                raise self._changed()
            yield batch
        if number + 1 != len(self):
            raise self._changed()

    def inputs(self, device: torch.device) -> Iterator[Tensor]:
        """One pass over the images, copied to ``device``, since a forward may work in place on its input."""
        for batch in self:
            yield inputs_of(batch).to(device, copy=True)

    def _changed(self) -> DataError:
        return DataError(
            f"{self.purpose} needs the same images in every pass, and the loader gives others: "
            "turn shuffling and augmentation off, or pass list(loader)"
        )


def _fingerprint(x: Tensor) -> float:
    """A number that other images, or the same in another order, are very unlikely to share."""
    rows = x.reshape(len(x), -1).double().mean(1)
    return float(rows @ torch.linspace(1.0, 2.0, len(x), dtype=torch.float64, device=x.device))
