"""Read classes of image files from a folder or, in place, from a zip archive; decode once, keep the result in a cache."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image

from easiedge.data.in_memory import Images
from easiedge.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})

LARGEST = 256 << 20  # bytes of one image file, unpacked
DECODER = 2  # part of the cache's key: raise it when the same file decodes to other pixels


class ImageFiles:
    """The image files below a folder or inside a zip archive.

    Attributes:
        root: the folder or archive.
        names: paths of all images relative to the root, sorted.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()
        if self.root.is_dir():
            files = [p for p in self.root.rglob("*") if p.is_file()]
            self._stamp = {p.relative_to(self.root).as_posix(): (p.stat().st_size, p.stat().st_mtime_ns) for p in files}
            self._read: Callable[[str], bytes] = lambda name: (self.root / name).read_bytes()
        elif self.root.is_file():
            self._open_archive()
        else:
            raise DataError(
                f"data.root={self.root} does not exist: give a folder (or .zip) with one folder of images per class"
            )
        visible = [n for n in self._stamp if not any(part.startswith((".", "__")) for part in PurePosixPath(n).parts)]
        self.names = sorted(n for n in visible if PurePosixPath(n).suffix.lower() in SUFFIXES)
        if not self.names:
            raise DataError(
                f"data.root={self.root} holds no images: give a folder (or .zip) with one folder of images per class"
            )

    def _open_archive(self) -> None:
        try:
            archive = zipfile.ZipFile(self.root)
        except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, OverflowError, struct.error) as error:
            raise DataError(
                f"data.root={self.root} is neither a folder nor a readable .zip archive: {error}"
            ) from error
        self._stamp = {i.filename: (i.file_size, i.CRC) for i in archive.infolist() if not i.is_dir()}
        self._read = archive.read

    def classes(self, within: str = "") -> dict[str, list[str]]:
        """Names of the images in each class folder directly below ``within`` (or below the one folder that holds it all)."""
        prefix = PurePosixPath(within)
        found: dict[str, list[str]] = {}
        for name in self.names:
            path = PurePosixPath(name)
            if path.is_relative_to(prefix) and len(path.relative_to(prefix).parts) >= 2:
                found.setdefault(path.relative_to(prefix).parts[0], []).append(name)
        return found

    def top(self) -> str:
        """The single top folder that holds everything, as archives often have; empty if there are several."""
        tops = {PurePosixPath(n).parts[0] if len(PurePosixPath(n).parts) > 1 else "" for n in self.names}
        return tops.pop() if len(tops) == 1 else ""

    def decode(self, names: Sequence[str], size: int | None, grey: bool = False) -> np.ndarray:  # type: ignore[type-arg]
        """Pixels uint8 ``[images, channels, size, size]``; from the cache when the files have not changed.

        Colour, grey, palette and transparent images all become RGB (or grey).  ``size`` None keeps the files' own size,
        which all must share.

        Raises:
            DataError: an image cannot be read (it is named), or sizes differ.
        """
        where = self._cache_file(names, size, grey)
        if where.is_file():
            try:
                cached = np.load(
                    where, mmap_mode="r", allow_pickle=False
                )  # a header that claims more than the file holds is an error
                if cached.dtype == np.uint8 and cached.ndim == 4 and len(cached) == len(names):
                    return np.array(cached)
            except (ValueError, OSError, EOFError, OverflowError, SyntaxError):
                pass  # damaged: decoded again below
        first = self._decode_one(names[0], size, grey)
        try:
            pixels = np.empty((len(names), *first.shape), dtype=np.uint8)
        except (MemoryError, ValueError) as error:
            raise DataError(
                f"{len(names)} images of {'x'.join(map(str, first.shape))} from {self.root} do not fit into memory: choose a smaller data.image_size="
            ) from error

        def fill(i: int) -> None:
            one = self._decode_one(names[i], size, grey)
            if one.shape != first.shape:
                raise DataError(
                    f"{names[i]} is {one.shape[1]}x{one.shape[2]}, the images before it {first.shape[1]}x{first.shape[2]}: set data.image_size="
                )
            pixels[i] = one

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for _ in pool.map(fill, range(len(names))):
                pass
        _store(where, pixels)
        return pixels

    def _decode_one(self, name: str, size: int | None, grey: bool) -> np.ndarray:  # type: ignore[type-arg]
        try:
            if self._stamp[name][0] > LARGEST:
                raise ValueError(f"it has over {LARGEST >> 20} MB")
            return pixels_of(self._read(name), None if size is None else (size, size), grey)
        except Exception as error:  # decoders and archives raise a dozen kinds on damaged files
            raise DataError(
                f"image {name} in {self.root} cannot be read ({error}): remove or replace the file"
            ) from error

    def _cache_file(self, names: Sequence[str], size: int | None, grey: bool) -> Path:
        key = hashlib.sha256(
            repr((DECODER, str(self.root.resolve()), size, grey, [(n, self._stamp[n]) for n in names])).encode()
        ).hexdigest()
        base = os.environ.get("EASIEDGE_CACHE") or Path.home() / ".cache" / "easiedge"
        return Path(base) / f"images-{key[:32]}.npy"


def pixels_of(content: bytes, size: tuple[int, int] | None, grey: bool = False) -> np.ndarray:  # type: ignore[type-arg]
    """Pixels uint8 ``[channels, height, width]`` of an image file, resized to ``size`` (height, width) unless None.

    Raises whatever Pillow does on files that it cannot read.
    """
    with Image.open(io.BytesIO(content)) as opened:
        image: Image.Image = _eight_bits(opened).convert("L" if grey else "RGB")
    if size is not None and image.size != size[::-1]:
        image = image.resize(size[::-1], Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[None] if grey else array.transpose(2, 0, 1)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Bring 16-bit grey to 8 bits by its upper byte; Pillow's own conversion would clip everything above 255 to white."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its 32-bit pixels have no fixed range, save it with 8 or 16 bits")
    return image


def _store(where: Path, pixels: np.ndarray) -> None:  # type: ignore[type-arg]
    """Keep decoded pixels for the next run; without a writable cache the next run decodes again."""
    temporary = None
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=where.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            np.save(file, pixels, allow_pickle=False)
        os.replace(temporary, where)
    except OSError:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def load_classes(
    files: ImageFiles, classes: dict[str, list[str]], class_names: Sequence[str], size: int | None, grey: bool = False
) -> Images:
    """The images of the class folders, labelled by the position of their class in ``class_names``."""
    names = [n for c in class_names for n in classes.get(c, [])]
    labels = [i for i, c in enumerate(class_names) for _ in classes.get(c, [])]
    return Images(torch.from_numpy(files.decode(names, size, grey)), torch.tensor(labels))
