"""One process at a time in a run directory.

The operating system holds the lock (``flock``) and lets it go when the process ends, however it ends, so that no lock is ever left behind.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from easiedge.errors import EasiEdgeError

try:
    import fcntl
except ImportError:  # no such locks on this system
    fcntl = None  # type: ignore[assignment]
NAME = ".lock"
_HELD: set[Path] = set()  # by this process


@contextmanager
def locked(directory: Path, *, again: bool = False) -> Iterator[None]:
    """Hold the lock of ``directory``, which is made if need be; ``again`` is content with one that this process holds already.

    Raises:
        EasiEdgeError: another process holds it; says which.
    """
    own = directory.resolve()
    if fcntl is None or (again and own in _HELD):
        yield
        return
    directory.mkdir(parents=True, exist_ok=True)
    handle = _taken(directory / NAME)
    _HELD.add(own)
    try:
        yield
    finally:
        _HELD.discard(own)
        with suppress(OSError):
            (directory / NAME).unlink()
        os.close(handle)


def _taken(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            os.close(handle)
            raise EasiEdgeError(
                f"{path.parent} is in use by {holder}: wait for it, or choose another directory with hydra.run.dir="
            ) from error
        except OSError:  # a file system without locks: better without than not at all
            return handle
        with suppress(OSError):
            if path.stat().st_ino == os.fstat(handle).st_ino:  # else its last holder has removed it meanwhile
                os.ftruncate(handle, 0)
                os.write(
                    handle,
                    f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%H:%M:%S')}\n".encode(),
                )
                return handle
        os.close(handle)
