"""Image sets, in memory or in files: vectorised augmentation, batches that depend on nothing but seed and epoch."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from easiedge.seeds import numbered_seed

LARGE = 64 * 64  # pixels of an image from which each is moved by itself


class LazyPixels(Protocol):
    """Pixels uint8 ``[images, channels, height, width]`` that are made when they are asked for."""

    @property
    def shape(self) -> torch.Size:
        """Of all of them."""

    def __getitem__(self, index: Tensor) -> Tensor:
        """Those at ``index``, int64 ``[n]``."""

    def part(self, index: Tensor) -> LazyPixels:
        """Those at ``index``, not made yet."""

    def joined(self, others: Sequence[LazyPixels]) -> LazyPixels:
        """These, and behind them those of parts of the same data."""

    def stream(self, parts: Iterable[Tensor]) -> Generator[Tensor]:
        """Those at each index of ``parts``, one after the other; some are made ahead."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images and labels.

    Attributes:
        pixels: uint8 ``[images, channels, height, width]``; either way ``pixels[index]`` is a tensor.
        labels: int64 ``[images]``.
    """

    pixels: Tensor | LazyPixels
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def joined(self, others: Sequence[Images]) -> Images:
        """These, and behind them those of other parts of the same data."""
        labels = torch.cat([self.labels, *(part.labels for part in others)])
        if isinstance(self.pixels, Tensor):
            return Images(torch.cat([self.pixels, *(p.pixels for p in others if isinstance(p.pixels, Tensor))]), labels)
        lazy = [part.pixels for part in others if not isinstance(part.pixels, Tensor)]
        return Images(self.pixels.joined(lazy), labels)

    def take(self, index: Tensor) -> Images:
        """The images at ``index``."""
        pixels = self.pixels
        return Images(pixels[index] if isinstance(pixels, Tensor) else pixels.part(index), self.labels[index])

    def stream(self, parts: Iterable[Tensor]) -> Generator[Tensor]:
        """Pixels at each index of ``parts``, one after the other."""
        if isinstance(self.pixels, Tensor):
            yield from (self.pixels[index] for index in parts)
        else:
            yield from self.pixels.stream(parts)


def normalise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """``(pixels / 255 - mean) / std`` in float32, ``[batch, channels, h, w]``."""
    m, s = (torch.tensor(v, dtype=torch.float32).view(-1, 1, 1) * 255 for v in (mean, std))
    return (
        pixels.to(torch.float32, copy=True).sub_(m).div_(s)
    )  # in place: a batch of large images has a hundred megabytes


def interleaved(labels: Tensor) -> Tensor:
    """An order ``[images]`` in which the classes are dealt evenly: the i-th of the n images of a class comes at (i + 1/2) / n of the way."""
    by_class = labels.argsort(stable=True)
    sizes = torch.bincount(labels)
    starts = sizes.cumsum(0) - sizes
    rank = torch.arange(len(labels)) - starts[labels[by_class]]
    return by_class[((rank.double() + 0.5) / sizes[labels[by_class]]).argsort(stable=True)]


class Moves(NamedTuple):
    """Where augmented images go.

    Attributes:
        top, left: int64 ``[images]``, 0 to twice the largest shift, which stands for no move in the middle.
        mirrored: bool ``[images]``, or None for none.
    """

    top: Tensor
    left: Tensor
    mirrored: Tensor | None


def draw_moves(count: int, generator: torch.Generator, shift: int, flip: bool) -> Moves:
    """For ``count`` images: each by up to ``shift`` pixels, and half of them mirrored."""
    top, left = torch.randint(0, 2 * shift + 1, (2, count), generator=generator)
    return Moves(top, left, torch.rand(count, generator=generator) < 0.5 if flip else None)


def shift_and_flip(pixels: Tensor, generator: torch.Generator, shift: int, flip: bool) -> Tensor:
    """Move each image by up to ``shift`` pixels, zeros coming in, and mirror half of them; all images at once."""
    n, channels, h, w = pixels.shape
    moves = draw_moves(n, generator, shift, flip)
    padded = F.pad(pixels, (shift,) * 4)
    if h * w >= LARGE:
        return _one_by_one(padded, moves, h, w)
    rows = moves.top[:, None] + torch.arange(h)
    columns = moves.left[:, None] + torch.arange(w)
    if moves.mirrored is not None:
        columns = torch.where(moves.mirrored[:, None], columns.flip(1), columns)
    index = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).reshape(n, 1, h * w)
    return padded.flatten(2).gather(2, index.expand(n, channels, h * w)).reshape(pixels.shape)


def _one_by_one(padded: Tensor, moves: Moves, height: int, width: int) -> Tensor:
    """The same by slices, which are faster than picking pixels where images are large."""
    mirrored = moves.mirrored.tolist() if moves.mirrored is not None else [False] * len(padded)
    out = torch.empty((*padded.shape[:2], height, width), dtype=padded.dtype)
    for i, (top, left, mirror) in enumerate(zip(moves.top.tolist(), moves.left.tolist(), mirrored, strict=True)):
        part = padded[i, :, top : top + height, left : left + width]
        out[i] = part.flip(2) if mirror else part
    return out


class Batches:
    """Iterate over images in batches ``(float32 [batch, channels, h, w], int64 [batch])``.

    In the order of the images; ``interleave`` deals the classes evenly, so that the first of the batches stand for all.

    Each pass over a shuffled loader is one epoch; its order and augmentation depend only on ``seed`` and the number of the
    epoch, so that a resumed run sees what an unbroken one would.

    Attributes:
        epoch: number of the next pass; set it to resume.
    """

    def __init__(
        self, images: Images, batch_size: int, mean: Sequence[float], std: Sequence[float],
        *, shuffle: bool = False, interleave: bool = False, shift: int = 0, flip: bool = False, seed: int = 0,
    ) -> None:  # fmt: skip
        self.images, self.batch_size, self.mean, self.std = images, batch_size, mean, std
        self.shuffle, self.interleave, self.shift, self.flip, self.seed = shuffle, interleave, shift, flip, seed
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

    def _order(self, generator: torch.Generator) -> Tensor:
        if self.shuffle:
            return torch.randperm(len(self.images), generator=generator)
        return interleaved(self.images.labels) if self.interleave else torch.arange(len(self.images))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.after(0)

    def after(self, position: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The next pass without its first ``position`` batches, of which the random moves are drawn and no pixels made."""
        generator = torch.Generator().manual_seed(numbered_seed(self.seed, self.epoch))
        order = self._order(generator)
        parts = torch.split(order, self._sizes())
        moving = bool(self.shift or self.flip)
        for index in parts[:position] if moving else ():
            draw_moves(len(index), generator, self.shift, self.flip)
        if self.shuffle and position >= len(parts):
            self.epoch += 1
        with closing(self.images.stream(parts[position:])) as drawn:
            for number, (index, pixels) in enumerate(zip(parts[position:], drawn, strict=True), position + 1):
                if moving:
                    pixels = shift_and_flip(pixels, generator, self.shift, self.flip)
                if self.shuffle and number == len(parts):  # looking at the first batches is no epoch
                    self.epoch += 1
                yield normalise(pixels, self.mean, self.std), self.images.labels[index]
