"""Anyone's own images: one folder per class, in a folder or a .zip."""

from __future__ import annotations

from collections.abc import Sequence

from easiedge.data.census import census, names_of, without_damaged
from easiedge.data.copies import tell_copies
from easiedge.data.decoding import FITS
from easiedge.data.image_data import ImageData
from easiedge.data.image_files import ImageFiles, load_classes, stream_classes
from easiedge.data.in_memory import Images
from easiedge.data.root import root_of
from easiedge.data.split import stratified
from easiedge.data.streamed import streams
from easiedge.errors import DataError

PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}  # folder: part
MOST_COUNTED = 20_000  # of streamed files: looking at a million headers takes long, and they may be far away
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ImageFolder(ImageData):
    """``root/<class>/*``, split by seed; or ``root/train/<class>/*`` with ``val`` (or ``valid``) and ``test`` beside it.

    Missing parts are split off the training images, stratified by class: ``test_share`` first, then ``val_share`` of the rest.
    Images are resized to ``image_size`` squares (``fit``: the whole, squashed, or the central part, cropped) and may be grey,
    palette or transparent; ``grey`` keeps one channel.  ``stream`` decodes them again and again as they are needed and holds
    none; ``"auto"`` does so where all of them would take more than a quarter of the available memory.  Batches are the same.
    A file that cannot be read is named and ends it; with ``unreadable="skip"`` such files are left out and counted.
    """

    skips = True  # whether data.unreadable= can be given

    def __init__(
        self, root: str, *, image_size: int = 64, grey: bool = False, val_share: float = 0.15, test_share: float = 0.15,
        batch_size: int = 32, seed: int = 0, split_seed: int = 0, shift: int = 4, flip: bool = True,
        mean: Sequence[float] | None = None, std: Sequence[float] | None = None, fit: str = "squash", stream: bool | str = "auto",
        unreadable: str = "error",
    ) -> None:  # fmt: skip
        default_mean, default_std = ((0.45,), (0.226,)) if grey else (IMAGENET_MEAN, IMAGENET_STD)
        super().__init__(
            mean or default_mean, std or default_std, batch_size=batch_size, seed=seed, shift=shift, flip=flip
        )
        for name, share in (("val_share", val_share), ("test_share", test_share)):
            if not 0.0 < share < 1.0:
                raise DataError(f"data.{name}={share} is outside (0, 1): give the share of images to set aside")
        if image_size < 1:
            raise DataError(f"data.image_size={image_size} must be at least 1")
        if fit not in FITS:
            raise DataError(f"data.fit={fit} is unknown: choose {' or '.join(FITS)}")
        if not isinstance(stream, bool) and stream != "auto":
            raise DataError(f"data.stream={stream} is unknown: choose true, false or auto")
        if unreadable not in ("error", "skip"):
            raise DataError(f"data.unreadable={unreadable} is unknown: choose error or skip")
        self.fit, self.stream, self.unreadable = fit, stream, unreadable
        self.root, self.image_size, self.grey = root_of(root, "images"), image_size, grey
        self.val_share, self.test_share, self.split_seed = val_share, test_share, split_seed

    def prepare(self) -> None:
        """Find the classes, decode (unless that is left for later), and split what is not split by folder."""
        files = ImageFiles(self.root)
        parts = self._find(files)
        if self.unreadable == "skip":
            parts = without_damaged(files, parts)
        elif self.skips:
            files.mend += ", or leave such files out with data.unreadable=skip"
        self.class_names = sorted(parts["train"])
        self._check(files, parts)
        names = names_of(parts)
        streamed = streams(self.stream, len(names) * (1 if self.grey else 3) * self.image_size**2)
        make = stream_classes if streamed else load_classes
        if not streamed or len(names) <= MOST_COUNTED:
            census(files, names).tell(self.image_size, self.grey)
            tell_copies(files, names)
        files.tell_others()
        loaded = {p: make(files, c, self.class_names, self.image_size, self.grey, self.fit) for p, c in parts.items()}
        train = loaded["train"]
        if "test" not in loaded:
            train, loaded["test"] = self._split(train, self.test_share)
        if "val" not in loaded:
            train, loaded["val"] = self._split(train, self.val_share)
        self.train, self.val, self.test = train, loaded["val"], loaded["test"]

    def _find(self, files: ImageFiles) -> dict[str, dict[str, list[str]]]:
        """File names by part (``train``, and ``val`` and ``test`` where they are there) and class."""
        base = files.top()
        base = "" if base in PARTS or not files.classes(base) else base
        classes = files.classes(base)
        prefix = f"{base}/" if base else ""
        inside = {folder: files.classes(f"{prefix}{folder}") if folder in PARTS else {} for folder in classes}
        if not inside.get("train") and inside and all(folder in PARTS and found for folder, found in inside.items()):
            raise DataError(
                f"data.root={self.root} has {', '.join(f'{folder}/' for folder in inside)} and no images in train/<class>/: the training "
                "images are missing"
            )
        return self._parts(inside) if inside.get("train") else {"train": classes}

    def _parts(self, inside: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
        """The classes of each part, where ``train`` is a folder of class folders; anything beside the parts is a mistake."""
        unknown = sorted(set(inside) - set(PARTS))
        if unknown:
            raise DataError(
                f"{self.root} has {unknown[0]!r} beside train/: name the parts train, val and test, and move the rest away"
            )
        parts: dict[str, dict[str, list[str]]] = {}
        for folder, found in inside.items():
            if PARTS[folder] in parts:
                raise DataError(f"{self.root} has two folders for validation, {folder!r} among them: keep one")
            parts[PARTS[folder]] = found
        return parts

    def _split(self, images: Images, share: float) -> tuple[Images, Images]:
        rest, part = stratified(images.labels, share, self.split_seed)
        return images.take(rest), images.take(part)

    def _check(self, files: ImageFiles, parts: dict[str, dict[str, list[str]]]) -> None:
        if len(self.class_names) < 2:
            found = f"only the class {self.class_names[0]!r}" if self.class_names else "no class folders"
            if empty := _empty_beside(files, parts["train"]):
                found += f", since {', '.join(map(repr, empty[:3]))} {'hold' if len(empty) > 1 else 'holds'} no images"
            raise DataError(f"data.root={self.root} has {found}: make one folder of images per class, at least two")
        for part, classes in parts.items():
            if sorted(classes) != self.class_names:
                raise DataError(
                    f"the classes in {self.root}/{part} are not those in train: {sorted(set(classes) ^ set(self.class_names))} differ"
                )
        for part, classes in parts.items():
            empty = [c for c, names in classes.items() if not names]
            if empty and part != "train":
                raise DataError(
                    f"class {empty[0]!r} in {self.root} has no image in {part} that can be read: replace the damaged files, or leave that folder out"
                )
        few = {c: len(n) for c, n in parts["train"].items() if len(n) < 3}
        if few:
            name, count = next(iter(few.items()))
            raise DataError(
                f"class {name!r} in {self.root} has {count} images: give at least {self.least_of_a_class} to train, validate and test"
            )


def _empty_beside(files: ImageFiles, classes: dict[str, list[str]]) -> list[str]:
    """Folders without images beside those of the classes."""
    for name, found in classes.items():
        parts = found[0].split("/") if found else []
        return files.imageless("/".join(parts[: parts.index(name)])) if name in parts else []
    return []
