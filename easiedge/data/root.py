"""The folder that ``data.root`` names: whether one is given, and none left behind where a download fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from easiedge.errors import DataError


def root_of(root: object, what: str) -> Path:
    """The path, ``~`` resolved.

    Args:
        root: a text or a path.
        what: data, as people call them.

    Raises:
        DataError: nothing is given.
    """
    if not isinstance(root, (str, Path)):
        raise DataError(f"data.root={'null' if root is None else root} names no folder of {what}: give data.root=DIR")
    return Path(root).expanduser()


@contextmanager
def no_empty_folders(folder: Path) -> Iterator[None]:
    """Where what is done inside fails, remove ``folder`` and those above it that were made for it and hold nothing."""
    made = [f for f in (folder, *folder.parents) if not f.exists()]
    try:
        yield
    except BaseException:
        for each in made:
            with suppress(OSError):
                each.rmdir()
        raise
