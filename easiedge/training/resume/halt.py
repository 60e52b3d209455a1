"""Stopping on request: Ctrl-C and SIGTERM let training finish its batch and save its state; asked twice, everything stops at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Terminated(BaseException):
    """SIGTERM; the command line ends with exit status 143."""


class Halt:
    """A request to stop.

    Attributes:
        signal: that asked for it, None while none has.
        raised: the one that was raised; what it was raised in may have swallowed it, as imports of other libraries do.
        saving: whether training that saves its state is under way, and will look at the request itself.
        listening: whether signals come here.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.raised: int | None = None
        self.saving = False
        self.listening = False

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """The handler: remember the first signal where training will look at it, else raise at once."""
        if self.saving and self.signal is None:
            self.signal = number
            print("easiedge: stopping after this batch; once more to stop at once", file=sys.stderr, flush=True)
            return
        self.signal = number
        self.stop()

    def take_over(self) -> None:
        """Take SIGTERM back from Lightning, which would leave the loop without a state."""
        if self.listening and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.receive)

    def stop(self) -> None:
        """Raise what the signal means.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            Terminated: SIGTERM.
        """
        number, self.signal = self.signal, None
        self.raised = number
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    def check(self) -> None:
        """Raise again what was asked for and got lost."""
        if self.raised is not None:
            self.signal = self.raised
            self.stop()

    @contextmanager
    def while_saving(self) -> Iterator[None]:
        """Training that looks at ``signal`` after each batch."""
        self.check()
        self.saving = True
        try:
            yield
        finally:
            self.saving = False
        if self.signal is not None:  # it came after the last look
            self.stop()


HALT = Halt()


@contextmanager
def stoppable(at_end: signal.Handlers | None = None) -> Iterator[None]:
    """Signals go to `HALT`; outside the main thread, and within another one, nothing changes.

    Args:
        at_end: the handler that stays behind; by default the one that was there.
    """
    if HALT.listening or threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    HALT.signal, HALT.raised, HALT.listening = None, None, True
    for number in before:
        signal.signal(number, HALT.receive)
    try:
        yield
    finally:
        HALT.raised, HALT.listening = None, False
        for number, handler in before.items():
            signal.signal(number, at_end or (handler if handler is not None else signal.SIG_DFL))
