"""Files that are either whole or not there: write beside, flush to disk, rename."""

from __future__ import annotations

import os
import re
import socket
import tempfile
import zlib
from contextlib import suppress
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
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{_here()}-{os.getpid()}-")
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


def _here() -> str:
    """This machine, in eight hexadecimal digits: numbers of processes mean nothing on another one."""
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def remove_half_written(folder: Path) -> None:
    """Remove what processes of this machine that have died were writing into ``folder``; whoever calls it writes nothing there."""
    for path in folder.glob(".*"):
        found = re.fullmatch(r"\..+\.([0-9a-f]{8})-(\d+)-[^-.]+", path.name)
        if found and found[1] == _here() and not _alive(int(found[2])):
            with suppress(OSError):
                path.unlink()


def _alive(process: int) -> bool:
    if process == os.getpid():  # a number that has come round again
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True
