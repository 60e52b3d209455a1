"""Files that are either whole or not there: write beside, flush to disk, rename."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from easiedge.errors import WriteError


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace ``path`` by ``content``; whatever goes wrong, an earlier file stays intact.

    Raises:
        WriteError: the folder cannot be written, or the disk is full.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise WriteError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another directory with hydra.run.dir= "
            "(an earlier file there is intact)"
        ) from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
