"""Images that stay in their files: decoded by threads when they are asked for, the next batches while one is trained on."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from easiedge.available_memory import available_memory
from easiedge.processes import local_size

AHEAD = 2  # batches that are being decoded while one is used: with that one, all that is held
SHARE = 0.25  # of the memory that is available, beyond which decoded images are not held
MOST_THREADS = 32


class Decoder(Protocol):
    """Files by name."""

    def decode_one(self, name: str, size: int | None, grey: bool, fit: str) -> np.ndarray:  # type: ignore[type-arg]
        """Pixels uint8 ``[channels, size, size]``; raises `DataError`, which names the file."""

    def stamps(self, names: Sequence[str]) -> str:
        """A digest of all that decides the pixels of these files."""


class FilePixels:
    """Pixels uint8 ``[images, channels, size, size]`` of image files, decoded anew each time: the same bytes as if they were held.

    Args:
        files: give the pixels of one file, from any thread.
        names: of the files in order.
        size, grey, fit: as `easiedge.data.decoding.pixels_of` has them.
    """

    def __init__(
        self, files: Decoder, names: Sequence[str], size: int, grey: bool = False, fit: str = "squash"
    ) -> None:
        self.files, self.names, self.size, self.grey, self.fit = files, names, size, grey, fit
        self._stamps: str | None = None

    @property
    def shape(self) -> torch.Size:
        """Of all of them together."""
        return torch.Size((len(self.names), 1 if self.grey else 3, self.size, self.size))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Those at ``index`` (int64 ``[n]``), decoded now.

        Raises:
            DataError: a file cannot be read; it is named.
        """
        (pixels,) = self.stream([index])
        return pixels

    def part(self, index: Tensor) -> FilePixels:
        """Those at ``index``, not decoded yet."""
        return FilePixels(self.files, [self.names[i] for i in index.tolist()], self.size, self.grey, self.fit)

    def joined(self, others: Sequence[Any]) -> FilePixels:
        """These, and behind them others of the same folder or archive, not decoded yet."""
        names = [*self.names, *(name for other in others for name in other.names)]
        return FilePixels(self.files, names, self.size, self.grey, self.fit)

    def stream(self, parts: Iterable[Tensor]) -> Generator[Tensor]:
        """Pixels at each index of ``parts``; `AHEAD` of them are decoded in the background.

        The threads end with the generator: when it is used up, closed, or dropped.

        Raises:
            DataError: a file cannot be read; it is named.
        """
        waiting, under_way = iter(parts), deque[tuple[Tensor, list[Future[None]]]]()
        pool = ThreadPoolExecutor(thread_count(), thread_name_prefix="easiedge-decoding")
        try:
            under_way.extend(self._begin(index, pool) for index in islice(waiting, AHEAD))
            while under_way:
                pixels, jobs = under_way.popleft()
                for job in jobs:
                    job.result()
                under_way.extend(self._begin(index, pool) for index in islice(waiting, 1))
                yield pixels
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self, index: Tensor, pool: ThreadPoolExecutor) -> tuple[Tensor, list[Future[None]]]:
        """Room for the pixels, and what fills it."""
        pixels = torch.empty((len(index), *self.shape[1:]), dtype=torch.uint8)
        rows = pixels.numpy()
        return pixels, [pool.submit(self._fill, rows, i, self.names[n]) for i, n in enumerate(index.tolist())]

    def _fill(self, rows: np.ndarray, i: int, name: str) -> None:  # type: ignore[type-arg]
        rows[i] = self.files.decode_one(name, self.size, self.grey, self.fit)

    def digestible(self) -> tuple[Any, ...]:
        """What decides the pixels, for `easiedge.model.digest.digest`: the files, as they were when they were found, and how they are decoded."""
        if self._stamps is None:
            self._stamps = self.files.stamps(self.names)
        return self._stamps, self.size, self.grey, self.fit


def thread_count() -> int:
    """Decoders of one process: the processor's cores that it may use, shared with the other processes of the run."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST_THREADS, cores // local_size()))


def streams(asked: bool | str, bytes_decoded: int) -> bool:
    """Whether images stay in their files: as asked for, or, for ``"auto"``, where they would take too much of the memory.

    Args:
        asked: ``data.stream``: true, false or ``"auto"``.
        bytes_decoded: that the decoded images would take in each process.
    """
    if isinstance(asked, bool):
        return asked
    available = available_memory(torch.device("cpu"))
    return available is not None and bytes_decoded * local_size() > SHARE * available
