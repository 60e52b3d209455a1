"""CIFAR-10 (Krizhevsky, 2009): torchvision's original, or a folder or zip of image files."""

from __future__ import annotations

import urllib.error
from collections.abc import Sequence
from pathlib import Path

import torch

from easiedge.data.image_data import ImageData
from easiedge.data.image_files import ImageFiles, load_classes
from easiedge.data.in_memory import Images
from easiedge.data.split import stratified
from easiedge.errors import DataError

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
VALIDATION_FILES = 500  # the last files of each training class, in sorted order


class CIFAR10(ImageData):
    """50,000 training images, 5,000 of them for validation, and 10,000 test images of 32x32.

    ``root`` is either a folder or .zip with ``train/<class>/*.jpg`` and ``test/<class>/*.jpg`` (validation: the last 500 files
    of each training class), or a folder for torchvision's original (validation: a seeded stratified tenth), which is
    downloaded there when it is missing.
    """

    def __init__(
        self, root: str = "data", *, batch_size: int = 128, seed: int = 0, split_seed: int = 0, shift: int = 4, flip: bool = True,
        mean: Sequence[float] = MEAN, std: Sequence[float] = STD, download: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(mean, std, batch_size=batch_size, seed=seed, shift=shift, flip=flip)
        self.root, self.split_seed, self.download = Path(root).expanduser(), split_seed, download

    def prepare(self) -> None:
        """Load files if ``root`` is an archive or has a ``train`` or ``test`` folder, else torchvision's original."""
        half = (self.root / "test").is_dir() and not (self.root / "cifar-10-batches-py").is_dir()
        if self.root.is_file() or (self.root / "train").is_dir() or half:
            self._from_files()
        else:
            self._original()

    def _from_files(self) -> None:
        files = ImageFiles(self.root)
        top = files.top()
        train, test = (
            files.classes(f"{top}/train" if top not in ("", "train", "test") else "train"),
            files.classes(f"{top}/test" if top not in ("", "train", "test") else "test"),
        )
        for part, what, found in (("train", "training", train), ("test", "test", test)):
            if not found:
                raise DataError(
                    f"data.root={self.root} has no images in {part}/<class>/: the {what} images are missing"
                )
        if sorted(train) != sorted(test) or len(train) < 2:
            raise DataError(
                f"data.root={self.root} needs the same class folders in train/ and test/, at least two: found {sorted(train)} and {sorted(test)}"
            )
        small = [c for c, names in train.items() if len(names) <= VALIDATION_FILES]
        if small:
            raise DataError(
                f"class {small[0]} in {self.root} has at most {VALIDATION_FILES} training files, the number set aside: use data=image_folder"
            )
        self.class_names = sorted(train)
        self.train = load_classes(files, {c: n[:-VALIDATION_FILES] for c, n in train.items()}, self.class_names, 32)
        self.val = load_classes(files, {c: n[-VALIDATION_FILES:] for c, n in train.items()}, self.class_names, 32)
        self.test = load_classes(files, test, self.class_names, 32)

    def _original(self) -> None:
        from torchvision import datasets

        try:
            parts = [datasets.CIFAR10(str(self.root), train=t, download=self.download) for t in (True, False)]
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"data.root={self.root} holds no CIFAR-10 and it cannot be downloaded ({reason}): give a folder (or .zip) with train/<class>/ "
                "and test/<class>/, or torchvision's cifar-10-batches-py"
            ) from error
        every, test = (
            Images(torch.from_numpy(p.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(p.targets)) for p in parts
        )
        train, val = stratified(every.labels, 0.1, self.split_seed)
        self.train, self.val, self.test = every.take(train), every.take(val), test
        self.class_names = list(parts[0].classes)
