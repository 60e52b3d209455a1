"""ImageNet (ILSVRC 2012; Russakovsky et al., 2015) and its subsets, as torchvision's preparation leaves them."""

from __future__ import annotations

from collections.abc import Sequence

from easiedge.data.image_files import ImageFiles
from easiedge.data.image_folder import IMAGENET_MEAN, IMAGENET_STD, ImageFolder
from easiedge.errors import DataError

CLASSES = 1000


class ImageNet(ImageFolder):
    """``root/train/<wnid>/*`` and ``root/val/<wnid>/*``; classes are numbered in the order of their wnids, as in torchvision's weights.

    The images of ``val``, whose labels everybody reports on, are the **test** images here, looked at once.  Validation, which
    chooses epochs, takes a seeded stratified ``val_share`` of the training images (at least one a class).  1,281,167 images at 224
    pixels are 193 GB decoded: ``stream`` leaves them in their files.
    """

    skips = False

    def __init__(
        self, root: str = "data", *, image_size: int = 224, val_share: float = 0.01, batch_size: int = 256, seed: int = 0,
        split_seed: int = 0, shift: int = 16, flip: bool = True, mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD, fit: str = "crop", stream: bool | str = "auto",
    ) -> None:  # fmt: skip
        super().__init__(
            root, image_size=image_size, val_share=val_share, batch_size=batch_size, seed=seed, split_seed=split_seed, shift=shift,
            flip=flip, mean=mean, std=std, fit=fit, stream=stream,
        )  # fmt: skip

    @property
    def pretrained_classes(self) -> bool:
        """Whether the classes are the thousand that published weights tell apart."""
        return self.num_classes == CLASSES

    def _find(self, files: ImageFiles) -> dict[str, dict[str, list[str]]]:
        base = files.top()
        prefix = f"{base}/" if base not in ("", "train", "val") else ""
        train, test = files.classes(f"{prefix}train"), files.classes(f"{prefix}val")
        for folder, found in (("train", train), ("val", test)):
            if not found:
                flat = any(name.startswith(f"{prefix}{folder}/") for name in files.names)
                what = "has its images beside one another" if flat else "is missing or empty"
                raise DataError(
                    f"data.root={self.root}: {folder}/ {what}: give a folder with train/<wnid>/ and val/<wnid>/, as "
                    "torchvision.datasets.ImageNet leaves it"
                )
        if sorted(train) != sorted(test):
            differ = sorted(set(train) ^ set(test))
            raise DataError(
                f"data.root={self.root} needs the same class folders in train/ and val/: {', '.join(differ[:4])} "
                f"{'is' if len(differ) == 1 else 'are'} only in one of them ({len(differ)} in all)"
            )
        return {"train": train, "test": test}
