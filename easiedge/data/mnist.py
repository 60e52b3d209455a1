"""MNIST: 70,000 handwritten digits of 28x28 (LeCun et al., 1998)."""

from __future__ import annotations

import gzip
import struct
import urllib.error
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from easiedge.data.image_data import ImageData
from easiedge.data.in_memory import Images
from easiedge.data.root import no_empty_folders, root_of
from easiedge.data.split import stratified
from easiedge.errors import DataError

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
LARGEST = 256 << 20  # bytes of a file; the training images have 47 MB


class MNIST(ImageData):
    """The 60,000 training images, a seeded stratified tenth of them for validation, and the 10,000 test images.

    ``root`` is a folder as torchvision makes it (``root/MNIST/raw``, files packed or not, read in place); with ``download``
    missing files are fetched into it.
    """

    def __init__(
        self,
        root: str = "data",
        *,
        batch_size: int = 128,
        seed: int = 0,
        split_seed: int = 0,
        shift: int = 0,
        download: bool = True,
    ) -> None:
        super().__init__([0.1307], [0.3081], batch_size=batch_size, seed=seed, shift=shift)
        self.root, self.split_seed, self.download = root_of(root, "MNIST"), split_seed, download

    def prepare(self) -> None:
        """Read the files, fetching them first where need be, and split."""
        if self._find(FILES["train"][0]) is None:
            self._fetch()
        parts = {
            part: (self._read(images)[:, None], self._read(labels).long()) for part, (images, labels) in FILES.items()
        }
        for part, (pixels, labels) in parts.items():
            self._check(part, pixels, labels)
        every, self.test = Images(*parts["train"]), Images(*parts["test"])
        train, val = stratified(every.labels, 0.1, self.split_seed)
        self.train, self.val = every.take(train), every.take(val)
        self.class_names = [str(d) for d in range(10)]

    def _check(self, part: str, pixels: Tensor, labels: Tensor) -> None:
        """Refuse images and labels that do not belong together or are none of digits."""
        if pixels.ndim != 4 or labels.ndim != 1 or len(pixels) != len(labels) or not len(labels) or 0 in pixels.shape:
            raise DataError(
                f"data.root={self.root}: {FILES[part][0]} holds {list(pixels.shape)} and {FILES[part][1]} {list(labels.shape)}, which are no images "
                "with a label each: fetch them again"
            )
        if int(labels.max()) > 9:
            raise DataError(
                f"data.root={self.root}: {FILES[part][1]} holds the label {int(labels.max())}: digits are 0 to 9"
            )

    def _find(self, name: str) -> Path | None:
        folders = (self.root / "MNIST" / "raw", self.root / "raw", self.root)
        return next((p for f in folders for p in (f / name, f / f"{name}.gz") if p.is_file()), None)

    def _fetch(self) -> None:
        where = f"data.root={self.root} holds no MNIST (MNIST/raw/{FILES['train'][0]}[.gz])"
        if not self.download:
            raise DataError(f"{where}: give the right folder, or data.download=true")
        from torchvision import datasets

        try:
            with no_empty_folders(self.root / "MNIST" / "raw"):
                datasets.MNIST(str(self.root), download=True)
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"{where}, and it cannot be downloaded ({reason}): copy the files there or connect to a network"
            ) from error

    def _read(self, name: str) -> Tensor:
        path = self._find(name)
        if path is None:
            raise DataError(f"data.root={self.root} lacks {name}: copy all four MNIST files there")
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                content = file.read(LARGEST + 1)
            if len(content) > LARGEST:
                raise ValueError(f"it is over {LARGEST >> 20} MB")
            _, *shape = struct.unpack(f">{1 + content[3]}i", content[: 4 * (1 + content[3])])
            return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 * (1 + len(shape))).reshape(shape).copy())
        except (OSError, EOFError, ValueError, IndexError, struct.error, zlib.error) as error:
            raise DataError(f"{path} is not an MNIST file ({error}): fetch it again") from error
