"""A process that was launched ends with the one that launched it, and tidies up in its place."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

from easiedge.launch import FOLDER, MET, SOON


def follow_parent() -> None:
    """End by SIGTERM when the process that launched this one is gone, and remove what it would have removed.

    Waiting for processes that were never started hears no signal: there the process is ended `SOON` after it.
    """
    own = Path(os.environ[FOLDER])

    def watch() -> None:
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        atexit.register(_leave, own)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SOON)
        if not (own.parent / MET).exists():
            _leave(own)
            os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _leave(own: Path) -> None:
    """Remove a process's folder, and with the last one the folder of all."""
    shutil.rmtree(own, ignore_errors=True)
    if not any(path.is_dir() for path in own.parent.glob("*")):
        shutil.rmtree(own.parent, ignore_errors=True)
