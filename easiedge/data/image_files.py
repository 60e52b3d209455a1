"""Read classes of image files from a folder or, in place, from a zip archive; decode once, keep the result in a cache."""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from easiedge.data.cache import cache_path
from easiedge.data.decoding import DECODER, pixels_of, reason_of
from easiedge.data.in_memory import Images
from easiedge.data.streamed import FilePixels
from easiedge.errors import DataError

log = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
LARGEST = 256 << 20  # bytes of one image file, unpacked


class ImageFiles:
    """The image files below a folder or inside a zip archive.

    Attributes:
        root: the folder or archive.
        names: paths of all images relative to the root, sorted.
        opened: the file of that name, open for reading; to be closed by who asked.
        mend: what to do about a file that cannot be read, for the message.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()
        self.mend = "remove or replace the file"
        if self.root.is_dir():
            self._stamp = dict(_stamps(self.root))
            self.opened: Callable[[str], IO[bytes]] = lambda name: (self.root / name).open("rb")
            self._folders: Callable[[], list[str]] = lambda: [
                path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_dir()
            ]
        elif self.root.is_file():
            self._open_archive()
        else:
            raise DataError(
                f"data.root={self.root} does not exist: give a folder (or .zip) with one folder of images per class"
            )
        visible = [n for n in self._stamp if not any(part.startswith((".", "__")) for part in _parts(n))]
        self.names = sorted(n for n in visible if n.lower().endswith(SUFFIXES))
        self.others = sorted(n for n in visible if not n.lower().endswith(SUFFIXES))
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
        self.opened = archive.open
        self._folders = lambda: [name.rpartition("/")[0] for name in archive.namelist()]

    def classes(self, within: str = "") -> dict[str, list[str]]:
        """Names of the images in each class folder directly below ``within`` (or below the one folder that holds it all)."""
        prefix = _parts(within)
        found: dict[str, list[str]] = {}
        for name in self.names:
            parts = _parts(name)
            if len(parts) >= len(prefix) + 2 and parts[: len(prefix)] == prefix:
                found.setdefault(parts[len(prefix)], []).append(name)
        return found

    def imageless(self, within: str = "") -> list[str]:
        """Folders directly below ``within`` that hold no image, and so are no classes."""
        prefix = _parts(within)
        folders = [parts for parts in map(_parts, self._folders()) if parts[: len(prefix)] == prefix]
        below = {parts[len(prefix)] for parts in folders if len(parts) > len(prefix)}
        return sorted(name for name in below - set(self.classes(within)) if not name.startswith((".", "__")))

    def tell_others(self) -> None:
        """Log how many files beside images are passed over: photographs of another format among them would be missed."""
        if not self.others:
            return
        folders = {name.rpartition("/")[0] for name in self.names}
        if beside := [name for name in self.others if name.rpartition("/")[0] in folders]:
            file, are = ("files", "are") if len(beside) > 1 else ("file", "is")
            log.warning(
                "%d %s beside the %d images %s passed over, such as %s: what is read ends in %s",
                len(beside), file, len(self.names), are, beside[0], ", ".join(SUFFIXES),
            )  # fmt: skip

    def top(self) -> str:
        """The single top folder that holds everything, as archives often have; empty if there are several."""
        tops = {parts[0] if len(parts) > 1 else "" for parts in map(_parts, self.names)}
        return tops.pop() if len(tops) == 1 else ""

    def decode(self, names: Sequence[str], size: int | None, grey: bool = False, fit: str = "squash") -> np.ndarray:  # type: ignore[type-arg]
        """Pixels uint8 ``[images, channels, size, size]``; from the cache when the files have not changed.

        Colour, grey, palette and transparent images all become RGB (or grey).  ``size`` None keeps the files' own size,
        which all must share; ``fit`` is that of `pixels_of`.

        Raises:
            DataError: an image cannot be read (it is named), or sizes differ.
        """
        where = self._cache_file(names, size, grey, fit)
        if where.is_file():
            try:
                cached = np.load(
                    where, mmap_mode="r", allow_pickle=False
                )  # a header that claims more than the file holds is an error
                if cached.dtype == np.uint8 and cached.ndim == 4 and len(cached) == len(names):
                    return np.array(cached)
            except (ValueError, OSError, EOFError, OverflowError, SyntaxError):
                pass  # damaged: decoded again below
        first = self.decode_one(names[0], size, grey, fit)
        try:
            pixels = np.empty((len(names), *first.shape), dtype=np.uint8)
        except (MemoryError, ValueError) as error:
            raise DataError(
                f"{len(names)} images of {'x'.join(map(str, first.shape))} from {self.root} do not fit into memory: choose a smaller data.image_size="
            ) from error

        def fill(i: int) -> None:
            one = self.decode_one(names[i], size, grey, fit)
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

    def decode_one(self, name: str, size: int | None, grey: bool, fit: str = "squash") -> np.ndarray:  # type: ignore[type-arg]
        """Pixels uint8 ``[channels, size, size]`` of one file.

        Raises:
            DataError: it cannot be read.
        """
        try:
            if self.size(name) > LARGEST:
                raise ValueError(f"it has over {LARGEST >> 20} MB")
            with self.opened(name) as file:
                content = file.read()
            return pixels_of(content, None if size is None else (size, size), grey, fit)
        except Exception as error:  # decoders and archives raise a dozen kinds on damaged files
            raise DataError(f"image {name} in {self.root} cannot be read ({reason_of(error)}): {self.mend}") from error

    def size(self, name: str) -> int:
        """Bytes of the file, unpacked."""
        return self._stamp[name][0]

    def stamps(self, names: Sequence[str]) -> str:
        """SHA-256 of where the files are, and of their names, sizes and times (in an archive: checksums): they decide the pixels."""
        found = hashlib.sha256(repr((DECODER, str(self.root.resolve()))).encode())
        for name in names:
            found.update(repr((name, self._stamp[name])).encode())
        return found.hexdigest()

    def _cache_file(self, names: Sequence[str], size: int | None, grey: bool, fit: str) -> Path:
        key = hashlib.sha256(repr((self.stamps(names), size, grey, fit)).encode()).hexdigest()
        return cache_path(f"images-{key[:32]}.npy")


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


def _stamps(folder: Path, within: str = "") -> Iterator[tuple[str, tuple[int, int]]]:
    """Relative path, and size and time of last change (ns), of every file below; folders that are links are not entered."""
    try:
        entries = list(os.scandir(folder))
    except PermissionError:  # a folder of somebody else's, such as lost+found
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _stamps(Path(entry.path), f"{within}{entry.name}/")
        elif entry.is_file():
            about = entry.stat()
            yield f"{within}{entry.name}", (about.st_size, about.st_mtime_ns)


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]


def load_classes(
    files: ImageFiles, classes: dict[str, list[str]], class_names: Sequence[str], size: int | None, grey: bool = False,
    fit: str = "squash",
) -> Images:  # fmt: skip
    """The images of the class folders, labelled by the position of their class in ``class_names``; decoded now, and held."""
    names, labels = _labelled(classes, class_names)
    return Images(torch.from_numpy(files.decode(names, size, grey, fit)), labels)


def stream_classes(
    files: ImageFiles, classes: dict[str, list[str]], class_names: Sequence[str], size: int, grey: bool = False,
    fit: str = "squash",
) -> Images:  # fmt: skip
    """The same images, each decoded whenever it is asked for."""
    names, labels = _labelled(classes, class_names)
    return Images(FilePixels(files, names, size, grey, fit), labels)


def _labelled(classes: dict[str, list[str]], class_names: Sequence[str]) -> tuple[list[str], Tensor]:
    names = [n for c in class_names for n in classes.get(c, [])]
    return names, torch.tensor([i for i, c in enumerate(class_names) for _ in classes.get(c, [])])
