"""Handwritten digits that ship with scikit-learn: 1,797 images of 8x8, no download; all ten, or some of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from sklearn.datasets import load_digits

from easiedge.data.image_data import ImageData
from easiedge.data.in_memory import Images
from easiedge.data.split import stratified
from easiedge.errors import DataError
from easiedge.plain_values import is_number, is_whole


class Digits(ImageData):
    """The optical recognition digits (Alpaydin and Kaynak, UCI 1998): 20 % test, 10 % of the rest validation.

    The split is fixed by ``split_seed`` and does not move with the run's seed, so that runs compare.

    Args:
        classes: the digits that are taken, at least two; None for all.
        val_share: of what is no test image, for validation.
    """

    def __init__(
        self, root: str | None = None, *, batch_size: int = 64, seed: int = 0, split_seed: int = 0, shift: int = 1,
        classes: Sequence[int] | None = None, val_share: float = 0.1,
    ) -> None:  # fmt: skip
        """Make it; ``root`` is taken for the sake of one interface for all data and not used."""
        super().__init__([0.3], [0.38], batch_size=batch_size, seed=seed, shift=shift)
        if not is_number(val_share) or not 0.0 < val_share < 1.0:
            raise DataError(f"data.val_share={val_share} must be a share between 0 and 1, such as 0.1")
        self.split_seed, self.val_share = split_seed, val_share
        self.classes = None if classes is None else list(classes)

    def prepare(self) -> None:
        """Scale the 17 grey levels to 0..255 and split."""
        data = load_digits()
        pixels = torch.from_numpy(data.images / 16 * 255).round().to(torch.uint8)[:, None]
        every = Images(pixels, torch.from_numpy(data.target).long())
        names = [str(name) for name in data.target_names]
        if self.classes is not None:
            every, names = chosen_classes(every, self.classes)
        rest, test = stratified(every.labels, 0.2, self.split_seed)
        train, val = stratified(every.labels[rest], self.val_share, self.split_seed + 1)
        self.train, self.val, self.test = every.take(rest[train]), every.take(rest[val]), every.take(test)
        self.class_names = names


def chosen_classes(images: Images, classes: Sequence[int]) -> tuple[Images, list[str]]:
    """The images of these classes, numbered from 0 in the order given, and their names.

    Raises:
        DataError: fewer than two classes, one twice, or one without an image.
    """
    if len(classes) < 2 or len(set(classes)) < len(classes) or not all(map(is_whole, classes)):
        raise DataError(f"data.classes={list(classes)} must be at least two different digits, such as [3,8]")
    counts = {c: int((images.labels == c).sum()) for c in classes}
    empty = [c for c, count in counts.items() if not count]
    if empty:
        known = ", ".join(str(c) for c in torch.unique(images.labels).tolist())
        raise DataError(f"class {empty[0]} of data.classes={list(classes)} is empty: choose among {known}")
    index = torch.isin(images.labels, torch.tensor(list(classes))).nonzero()[:, 0]
    numbers = {c: number for number, c in enumerate(classes)}
    labels = torch.tensor([numbers[c] for c in images.labels[index].tolist()])
    return Images(images.pixels[index], labels), [str(c) for c in classes]
