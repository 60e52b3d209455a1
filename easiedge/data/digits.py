"""Handwritten digits that ship with scikit-learn: 1,797 images of 8x8, no download."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from easiedge.data.image_data import ImageData
from easiedge.data.in_memory import Images
from easiedge.data.split import stratified


class Digits(ImageData):
    """The optical recognition digits (Alpaydin and Kaynak, UCI 1998): 20 % test, 10 % of the rest validation.

    The split is fixed by ``split_seed`` and does not move with the run's seed, so that runs compare.
    """

    def __init__(
        self, root: str | None = None, *, batch_size: int = 64, seed: int = 0, split_seed: int = 0, shift: int = 1
    ) -> None:
        """Make it; ``root`` is taken for the sake of one interface for all data and not used."""
        super().__init__([0.3], [0.38], batch_size=batch_size, seed=seed, shift=shift)
        self.split_seed = split_seed

    def prepare(self) -> None:
        """Scale the 17 grey levels to 0..255 and split."""
        data = load_digits()
        pixels = torch.from_numpy(data.images / 16 * 255).round().to(torch.uint8)[:, None]
        every = Images(pixels, torch.from_numpy(data.target).long())
        rest, test = stratified(every.labels, 0.2, self.split_seed)
        train, val = stratified(every.labels[rest], 0.1, self.split_seed + 1)
        self.train, self.val, self.test = every.take(rest[train]), every.take(rest[val]), every.take(test)
        self.class_names = [str(name) for name in data.target_names]
