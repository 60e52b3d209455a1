"""What CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) share: torchvision's original, or a folder or zip of image files."""

from __future__ import annotations

import urllib.error
from collections.abc import Sequence
from typing import ClassVar

import torch

from easiedge.data.image_data import ImageData
from easiedge.data.image_files import ImageFiles, load_classes
from easiedge.data.in_memory import Images
from easiedge.data.root import no_empty_folders, root_of
from easiedge.data.split import stratified
from easiedge.errors import DataError

SIZE = 32  # height and width in pixels


class Cifar(ImageData):
    """50,000 training images, 5,000 of them for validation, and 10,000 test images of 32x32.

    ``root`` is either a folder or .zip with ``train/<class>/*.jpg`` and ``test/<class>/*.jpg`` (validation: the last
    ``validation_files`` of each training class), or a folder for torchvision's original (validation: a seeded stratified tenth),
    which is downloaded there when it is missing.

    Attributes:
        title: what the data set is called.
        original: its class in torchvision.datasets.
        folder: where that keeps it below ``root``.
        validation_files: the last files of each training class, in sorted order.
        channel_mean, channel_std: of its training images, for pixels in [0, 1].
    """

    title: ClassVar[str]
    original: ClassVar[str]
    folder: ClassVar[str]
    validation_files: ClassVar[int]
    channel_mean: ClassVar[Sequence[float]]
    channel_std: ClassVar[Sequence[float]]

    def __init__(
        self, root: str = "data", *, batch_size: int = 128, seed: int = 0, split_seed: int = 0, shift: int = 4, flip: bool = True,
        mean: Sequence[float] | None = None, std: Sequence[float] | None = None, download: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(
            mean or self.channel_mean, std or self.channel_std, batch_size=batch_size, seed=seed, shift=shift, flip=flip
        )
        self.root, self.split_seed, self.download = root_of(root, self.title), split_seed, download

    def prepare(self) -> None:
        """Load files if ``root`` is an archive or has a ``train`` or ``test`` folder, else torchvision's original."""
        half = (self.root / "test").is_dir() and not (self.root / self.folder).is_dir()
        if self.root.is_file() or (self.root / "train").is_dir() or half:
            self._from_files()
        else:
            self._original()

    def _from_files(self) -> None:
        files = ImageFiles(self.root)
        self.source = "files"
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
                f"data.root={self.root} needs the same class folders in train/ and test/, at least two: found {_some(train)} and {_some(test)}"
            )
        last = self.validation_files
        small = [c for c, names in train.items() if len(names) <= last]
        if small:
            raise DataError(
                f"class {small[0]} in {self.root} has at most {last} training files, the number set aside: use data=image_folder"
            )
        self.class_names = sorted(train)
        self.train = load_classes(files, {c: n[:-last] for c, n in train.items()}, self.class_names, SIZE)
        self.val = load_classes(files, {c: n[-last:] for c, n in train.items()}, self.class_names, SIZE)
        self.test = load_classes(files, test, self.class_names, SIZE)

    def _original(self) -> None:
        from torchvision import datasets

        make = getattr(datasets, self.original)
        try:
            with no_empty_folders(self.root):
                parts = [make(str(self.root), train=t, download=self.download) for t in (True, False)]
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"data.root={self.root} holds no {self.title} and it cannot be downloaded ({reason}): give a folder (or .zip) with train/<class>/ "
                f"and test/<class>/, or torchvision's {self.folder}"
            ) from error
        every, test = (
            Images(torch.from_numpy(p.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(p.targets)) for p in parts
        )
        train, val = stratified(every.labels, 0.1, self.split_seed)
        self.train, self.val, self.test = every.take(train), every.take(val), test
        self.class_names = list(parts[0].classes)


def _some(classes: dict[str, list[str]]) -> str:
    names = sorted(classes)
    return str(names) if len(names) <= 12 else f"{names[:12]} and {len(names) - 12} more"
