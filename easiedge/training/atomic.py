"""Write a file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from easiedge.errors import TrainingError


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a new file beside ``path``, then put it in place of ``path`` in one step.

    Raises:
        TrainingError: the directory cannot be written or the disk is full; an earlier file at ``path`` is intact.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except Exception as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) or type(error).__name__ == "SafetensorError":
            raise TrainingError(f"{path} cannot be written ({error}): an earlier file there is intact; free space, or choose another directory") from error
        raise
