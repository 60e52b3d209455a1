"""Small image sets in memory: uint8 tensors, vectorised augmentation, batches that depend on nothing but seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from easiedge.seeds import numbered_seed


@dataclass(frozen=True, eq=False)
class Images:
    """Images and labels.

    Attributes:
        pixels: uint8 ``[images, channels, height, width]``.
        labels: int64 ``[images]``.
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> Images:
        """The images at ``index``."""
        return Images(self.pixels[index], self.labels[index])


def normalise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """``(pixels / 255 - mean) / std`` in float32, ``[batch, channels, h, w]``."""
    m, s = (torch.tensor(v, dtype=torch.float32).view(-1, 1, 1) * 255 for v in (mean, std))
    return (pixels.float() - m) / s


def shift_and_flip(pixels: Tensor, generator: torch.Generator, shift: int, flip: bool) -> Tensor:
    """Move each image by up to ``shift`` pixels, zeros coming in, and mirror half of them; all images at once."""
    n, channels, h, w = pixels.shape
    padded = F.pad(pixels, (shift,) * 4)
    top, left = torch.randint(0, 2 * shift + 1, (2, n), generator=generator)
    rows = top[:, None] + torch.arange(h)
    columns = left[:, None] + torch.arange(w)
    if flip:
        mirrored = torch.rand(n, generator=generator) < 0.5
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    index = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).reshape(n, 1, h * w)
    return padded.flatten(2).gather(2, index.expand(n, channels, h * w)).reshape(pixels.shape)


class Batches:
    """Iterate over images in batches ``(float32 [batch, channels, h, w], int64 [batch])``.

    Each pass over a shuffled loader is one epoch; its order and augmentation depend only on ``seed`` and the number of the
    epoch, so that a resumed run sees what an unbroken one would.

    Attributes:
        epoch: number of the next pass; set it to resume.
    """

    def __init__(
        self, images: Images, batch_size: int, mean: Sequence[float], std: Sequence[float],
        *, shuffle: bool = False, shift: int = 0, flip: bool = False, seed: int = 0,
    ) -> None:  # fmt: skip
        self.images, self.batch_size, self.mean, self.std = images, batch_size, mean, std
        self.shuffle, self.shift, self.flip, self.seed = shuffle, shift, flip, seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._sizes())

    def _sizes(self) -> list[int]:
        """Sizes of the batches; a last training batch of one image joins the one before, for batch norm's sake."""
        sizes = [self.batch_size] * (len(self.images) // self.batch_size)
        rest = len(self.images) % self.batch_size
        if self.shuffle and rest == 1 and sizes:
            sizes[-1] += 1
        elif rest:
            sizes.append(rest)
        return sizes

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(numbered_seed(self.seed, self.epoch))
        order = (
            torch.randperm(len(self.images), generator=generator) if self.shuffle else torch.arange(len(self.images))
        )
        parts = torch.split(order, self._sizes())
        for number, index in enumerate(parts, 1):
            pixels = self.images.pixels[index]
            if self.shift or self.flip:
                pixels = shift_and_flip(pixels, generator, self.shift, self.flip)
            if self.shuffle and number == len(parts):  # looking at the first batches is no epoch
                self.epoch += 1
            yield normalise(pixels, self.mean, self.std), self.images.labels[index]
