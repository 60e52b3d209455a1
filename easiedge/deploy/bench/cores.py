"""Threads that stay on the same cores while something is timed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from easiedge.errors import EasiEdgeError

_THREADS = Path("/proc/self/task")


def usable_cores() -> tuple[int, ...]:
    """Numbers of the cores that this process may use; empty where the system does not say."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


def check_threads(threads: int) -> None:
    """Raise unless the machine has as many cores.

    Raises:
        EasiEdgeError: fewer than one, or more than there are.
    """
    cores = len(usable_cores()) or os.cpu_count() or 1
    if not 1 <= threads <= cores:
        raise EasiEdgeError(f"--threads {threads} must be from 1 to {cores}, the cores that this process may use")


@contextmanager
def pinned(threads: int) -> Iterator[tuple[int, ...]]:
    """Keep every thread of the process on its first ``threads`` cores; yields their numbers, none where the system cannot.

    Threads that are made inside stay there too.
    """
    before = usable_cores()
    if not before:
        yield ()
        return
    chosen = before[:threads]
    try:
        _move(chosen)
        yield chosen
    finally:
        _move(before)


def _move(cores: tuple[int, ...]) -> None:
    threads = [int(each.name) for each in _THREADS.iterdir()] if _THREADS.is_dir() else [0]
    for thread in threads:
        with suppress(OSError):  # it has ended
            os.sched_setaffinity(thread, cores)
