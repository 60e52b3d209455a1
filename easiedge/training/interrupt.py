"""Ctrl-C and SIGTERM during training reach the caller."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.utilities.exceptions import SIGTERMException

from easiedge.training.resume.halt import Terminated


@contextmanager
def interruptible() -> Iterator[None]:
    """Give Ctrl-C and SIGTERM back to the caller: Lightning turns them into SystemExit, and switches the first off."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SIGTERMException:
        raise Terminated from None
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
