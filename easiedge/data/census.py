"""What image files are before they are decoded: those of another colour model, those that are too small, and those that cannot be read."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from PIL import Image

from easiedge.data.cache import cached_json
from easiedge.data.image_files import ImageFiles
from easiedge.data.streamed import thread_count
from easiedge.errors import DataError

log = logging.getLogger(__name__)
T = TypeVar("T")
Parts = dict[str, dict[str, list[str]]]  # names of files by part of the data and class

KINDS = {
    "1": "black and white", "L": "grey", "LA": "grey with transparency", "P": "with a palette", "RGBA": "with transparency",
    "CMYK": "CMYK", "I": "16-bit grey", "RGB": "in colour",
}  # fmt: skip
"""What people call Pillow's modes."""


@dataclass(frozen=True)
class Census:
    """Counts over image files, by their headers.

    Attributes:
        images: all of them.
        kinds: how many of each of Pillow's modes.
        sides: how many of each length of the shorter side, in pixels.
    """

    images: int
    kinds: Mapping[str, int]
    sides: Mapping[int, int]

    def converted(self, grey: bool) -> dict[str, int]:
        """How many become RGB (or grey) that were something else, by what they were."""
        wanted = "L" if grey else "RGB"
        return {KINDS.get(mode, mode): n for mode, n in sorted(self.kinds.items()) if mode != wanted}

    def smaller(self, size: int) -> int:
        """How many have to be enlarged."""
        return sum(n for side, n in self.sides.items() if side < size)

    def tell(self, size: int, grey: bool) -> None:
        """Log what is not as it will be; nothing where all images are in the wanted colours and large enough."""
        if others := self.converted(grey):
            named = ", ".join(f"{n} {kind}" for kind, n in others.items())
            log.info("of %d images, %s: converted to %s", self.images, named, "grey" if grey else "RGB")
        if small := self.smaller(size):
            log.warning(
                "%d of %d images are smaller than %dx%d and are enlarged: the smallest has %d pixels on its shorter side; "
                "a smaller data.image_size= trains faster on the same content",
                small, self.images, size, size, min(self.sides),
            )  # fmt: skip


def census(files: ImageFiles, names: Sequence[str]) -> Census:
    """Look at the headers of these files; remembered as long as they do not change.  Those that cannot be opened are not counted by kind."""

    def count() -> dict[str, dict[str, int]]:
        heads = [head for head in for_each(lambda name: _head(files, name), names) if head is not None]
        kinds, sides = Counter(mode for mode, _ in heads), Counter(side for _, side in heads)
        return {"kinds": dict(kinds), "sides": {str(side): n for side, n in sides.items()}}

    found = cached_json(f"census {files.stamps(names)}", count, _is_count)
    return Census(len(names), found["kinds"], {int(side): n for side, n in found["sides"].items()})


def unreadable(files: ImageFiles, names: Sequence[str]) -> list[str]:
    """Those of the files that cannot be decoded; each is decoded once to find out, and that is remembered as long as they do not change.

    Raises:
        DataError: a file cannot be read for another reason than what is in it, such as its permissions or a full table of open files.
    """

    def find() -> list[str]:
        damaged = for_each(lambda name: _damaged(files, name), names)
        return [name for name, bad in zip(names, damaged, strict=True) if bad]

    known = set(names)
    found: list[str] = cached_json(
        f"unreadable {files.stamps(names)}", find,
        lambda old: isinstance(old, list) and all(isinstance(n, str) and n in known for n in old),
    )  # fmt: skip
    return found


def _is_count(found: Any) -> bool:
    if not isinstance(found, dict) or not all(isinstance(found.get(part), dict) for part in ("kinds", "sides")):
        return False
    counts = [*found["kinds"].values(), *found["sides"].values()]
    return all(type(n) is int for n in counts) and all(side.isdecimal() for side in found["sides"])


def names_of(parts: Parts) -> list[str]:
    """All files, whatever their part and class."""
    return [name for classes in parts.values() for names in classes.values() for name in names]


def without_damaged(files: ImageFiles, parts: Parts) -> Parts:
    """The files of each part and class, less those that cannot be read; how many those are is logged, with up to three names."""
    every = names_of(parts)
    bad = unreadable(files, every)
    if not bad:
        return parts
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    log.warning("%d of %d images cannot be read and are left out: %s%s", len(bad), len(every), ", ".join(bad[:3]), more)
    gone = set(bad)
    return {
        part: {name: [file for file in names if file not in gone] for name, names in classes.items()}
        for part, classes in parts.items()
    }


def _head(files: ImageFiles, name: str) -> tuple[str, int] | None:
    try:
        with files.opened(name) as content, Image.open(content) as image:
            return image.mode.split(";")[0], min(image.size)
    except Exception:  # decoders raise a dozen kinds on damaged files; decoding will name them
        return None


def _damaged(files: ImageFiles, name: str) -> bool:
    try:
        files.decode_one(name, None, grey=False)
    except DataError as error:
        cause = error.__cause__
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno is not None):
            raise  # the machine's fault, not the file's
        return True
    return False


def for_each(look: Callable[[str], T], names: Sequence[str]) -> list[T]:
    """What ``look`` finds of each file, in order; several threads look."""
    with ThreadPoolExecutor(thread_count()) as pool:
        return list(pool.map(look, names))
