"""What all image data sets share: three disjoint parts, in memory or in files, as a Lightning data module."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytorch_lightning as pl
import torch
from torch import Tensor

from easiedge.available_memory import available_memory
from easiedge.data.in_memory import Batches, Images, normalise
from easiedge.data.split import draw_stratified
from easiedge.errors import DataError


class ImageData(pl.LightningDataModule):
    """Training, validation and test images.

    Subclasses fill ``train``, ``val`` and ``test`` and ``class_names`` in `prepare`.

    Attributes:
        mean, std: of each channel, for normalisation.
        shift, flip: augmentation of training images: largest move in pixels, and mirroring of half of them.
        fit: how images of other proportions become squares, see `easiedge.data.decoding.pixels_of`.
        class_names: names of the classes in the order of their labels.
        source: the form they came in, where one data set has several, such as CIFAR-10 and a copy of it as JPEG files.
        least_of_a_class: images that each class needs where the parts are split off, for the message; `easiedge.data.folds.expect` sets it.
        train, val, test: the parts; training never sees ``val``, nothing but the closing figures sees ``test``.
    """

    train: Images
    val: Images
    test: Images
    class_names: Sequence[str]
    source: str = ""
    fit: str = "squash"
    least_of_a_class: int = 3

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        batch_size: int = 128,
        seed: int = 0,
        shift: int = 0,
        flip: bool = False,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise DataError(f"data.batch_size={batch_size} must be at least 1")
        if shift < 0:
            raise DataError(
                f"data.shift={shift} must be at least 0: give the largest move of a training image in pixels"
            )
        self.mean, self.std = tuple(mean), tuple(std)
        self.batch_size, self.seed, self.shift, self.flip = batch_size, seed, shift, flip
        self._ready = False

    def prepare(self) -> None:
        """Load the parts; called once by `setup`."""
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        """Load the images once."""
        if not self._ready:
            self.prepare()
            if len(self.mean) not in (1, self.train.pixels.shape[1]):
                raise DataError(
                    f"data.mean has {len(self.mean)} values for images of {self.train.pixels.shape[1]} channels: give one each"
                )
            self._ready = True

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train.pixels.shape[1:]
        return channels, height, width

    def train_dataloader(self) -> Batches:
        """Shuffled, augmented training batches; one pass is one epoch."""
        return Batches(
            self.train,
            self.batch_size,
            self.mean,
            self.std,
            shuffle=True,
            shift=self.shift,
            flip=self.flip,
            seed=self.seed,
        )

    def val_dataloader(self) -> Batches:
        """Validation batches in fixed order, classes dealt evenly, so that a part of them can stand for all."""
        return Batches(self.val, max(self.batch_size, 250), self.mean, self.std, interleave=True)

    def test_dataloader(self) -> Batches:
        """Test batches in fixed order, classes dealt evenly."""
        return Batches(self.test, max(self.batch_size, 250), self.mean, self.std, interleave=True)

    def calibration_batches(self, images: int, batch_size: int = 128, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
        """Random training images without augmentation, classes evenly drawn, for scores and compensation.

        Raises:
            DataError: fewer training images than asked for.
        """
        if batch_size < 1:
            raise DataError(f"calibration.batch_size={batch_size} must be at least 1")
        index = draw_stratified(self.train.labels, images, seed)
        self._check_fits(images, "calibration.images")
        x, labels = normalise(self.train.pixels[index], self.mean, self.std), self.train.labels[index]
        return list(zip(torch.split(x, batch_size), torch.split(labels, batch_size), strict=True))

    def evaluation_batches(
        self, split: str, images: int | None = None, seed: int = 0, section: str = "fidelity"
    ) -> list[tuple[Tensor, Tensor]]:
        """Images of ``"val"`` or ``"test"`` for accuracies: all, or a random draw with classes even; ``section`` asked for them.

        Raises:
            DataError: unknown split, fewer images than asked for, or more than fit into memory.
        """
        parts = {"val": self.val, "test": self.test}
        if split not in parts:
            raise DataError(f"{section}.split={split} is unknown: choose val or test")
        part = parts[split]
        if images is not None:
            part = part.take(draw_stratified(part.labels, images, seed, f"{section}.images"))
        self._check_fits(len(part), f"{section}.images")
        return list(Batches(part, 500, self.mean, self.std))

    def _check_fits(self, images: int, key: str) -> None:
        """Refuse to hold more images, in float32, than memory does: those of a streamed data set may be many."""
        needed, available = 4 * images * math.prod(self.input_shape), available_memory(torch.device("cpu"))
        if available is not None and needed > available:
            raise DataError(
                f"{images} images of {'x'.join(map(str, self.input_shape))} take {needed / 1e9:.1f} GB at once, and {available / 1e9:.1f} GB "
                f"of memory are available: ask for fewer, {key}=1000 for example"
            )
