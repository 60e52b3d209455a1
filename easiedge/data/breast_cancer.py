"""Breast cancer (Wisconsin, diagnostic) that ships with scikit-learn: 569 samples of 30 measurements, malignant or benign."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer

from easiedge.data.image_data import ImageData
from easiedge.data.in_memory import Images
from easiedge.data.split import stratified


class BreastCancer(ImageData):
    """Street, Wolberg, Mangasarian 1993 (UCI): 20 % test, a quarter of the rest validation, both stratified and fixed by ``split_seed``.

    A sample is an image of one row, ``[1, 1, 30]``, each measurement in 8 bits between its least and largest value among the training
    samples, as a converter on a device would deliver it; so everything that takes images takes it too.
    """

    def __init__(self, root: str | None = None, *, batch_size: int = 32, seed: int = 0, split_seed: int = 0) -> None:
        """Make it; ``root`` is taken for the sake of one interface for all data and not used."""
        super().__init__([0.3], [0.2], batch_size=batch_size, seed=seed)
        self.split_seed = split_seed

    def prepare(self) -> None:
        """Split, and scale by the training samples alone."""
        data = load_breast_cancer()
        labels = torch.from_numpy(data.target).long()
        rest, test = stratified(labels, 0.2, self.split_seed)
        train, val = stratified(labels[rest], 0.25, self.split_seed + 1)
        low, high = data.data[rest[train]].min(0), data.data[rest[train]].max(0)
        scaled = np.clip((data.data - low) / np.maximum(high - low, 1e-12), 0.0, 1.0) * 255
        every = Images(torch.from_numpy(scaled.round().astype(np.uint8))[:, None, None], labels)
        self.train, self.val, self.test = every.take(rest[train]), every.take(rest[val]), every.take(test)
        self.class_names = [str(name) for name in data.target_names]
