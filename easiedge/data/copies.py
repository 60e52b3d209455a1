"""Image files that are byte for byte the same: among training and test images at once they make a network look better than it is."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from easiedge.data.cache import cached_json
from easiedge.data.census import for_each
from easiedge.data.image_files import LARGEST, ImageFiles

log = logging.getLogger(__name__)


def copies(files: ImageFiles, names: Sequence[str]) -> list[tuple[str, str]]:
    """Each file that has the content of an earlier one, and the first that has it; remembered as long as the files do not change.

    Only files of the same size are read, and none that is empty.  Those that cannot be read are nobody's copies here; decoding will name them.
    """
    known = set(names)

    def find() -> list[tuple[str, str]]:
        sizes = Counter(files.size(name) for name in names)
        alike = [name for name in names if sizes[files.size(name)] > 1 and 0 < files.size(name) <= LARGEST]
        first: dict[str, str] = {}
        found = []
        for name, content in zip(alike, for_each(lambda name: _digest(files, name), alike), strict=True):
            if content is not None and first.setdefault(content, name) != name:
                found.append((name, first[content]))
        return found

    def whole(old: Any) -> bool:
        pairs = old if isinstance(old, list) else [None]
        return all(
            isinstance(p, list) and len(p) == 2 and all(isinstance(n, str) and n in known for n in p) for p in pairs
        )

    found = cached_json(f"copies {files.stamps(names)}", find, whole)
    return [(copy, original) for copy, original in found]


def tell_copies(files: ImageFiles, names: Sequence[str]) -> None:
    """Log how many there are and the first of them; nothing where all files differ."""
    if found := copies(files, names):
        log.warning(
            "%d of %d images %s of another, such as %s of %s: where one is trained on and the other tested, "
            "accuracy is better than it should be; remove what is there twice",
            len(found), len(names), "is a copy, byte for byte," if len(found) == 1 else "are copies, byte for byte,", *found[0],
        )  # fmt: skip


def _digest(files: ImageFiles, name: str) -> str | None:
    try:
        with files.opened(name) as content:
            return hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
    except Exception:  # archives raise a dozen kinds on damaged files
        return None
