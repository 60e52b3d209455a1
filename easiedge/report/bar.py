"""How far a long job is and how long it still takes."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

from rich.progress import Progress

from easiedge.training.progress import clock, terminal_bar

log = logging.getLogger(__name__)


class Bar:
    """Progress with an estimate: a bar on a terminal, elsewhere a log line about every tenth.

    Args:
        total: how many things there are.
        label: what is going on.
        things: what is counted.
        say: where there is no terminal, what takes a line.
    """

    def __init__(self, total: int, label: str, things: str, say: Callable[[str], object] = log.info) -> None:
        self.say = say
        self.total, self.label, self.things, self.done, self.logged = total, label, things, 0, 0
        self.started, self.first = time.monotonic(), 0
        self.bar: Progress | None = None

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            self.bar = terminal_bar(sys.stderr)
            self.bar.add_task(self.label, total=self.total)
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def step(self, what: str = "") -> None:
        """One further."""
        self.reach(self.done + 1, what)

    def reach(self, done: int, what: str = "") -> None:
        """So many are done."""
        if self.done == 0 and done > 1:
            self.first = done  # the first are from an earlier sitting
        self.done = done
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=done, description=f"{self.label} {what}".strip())
        elif (done == self.total and self.logged < done) or done - self.logged >= self.total / 10:
            self.logged = done
            left = (time.monotonic() - self.started) / max(done - self.first, 1) * (self.total - done)
            self.say(f"{self.label}: {done} of {self.total} {self.things}, {clock(left)} left")
