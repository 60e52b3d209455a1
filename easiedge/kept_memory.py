"""Freed memory stays with the process for a while: the next tensors of a step lie where those of the last one did."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4  # names of mallopt, as in glibc's malloc.h
NEVER = -1
USUAL = {MMAP_MAX: 1 << 16, MMAP_THRESHOLD: 32 << 20, TRIM_THRESHOLD: 64 << 20}
"""glibc's own limits, where its thresholds have grown with the largest blocks that were freed."""

_within = 0


@contextmanager
def kept_memory() -> Iterator[None]:
    """Within the context what is freed is not given back to the system; at its end all of it is.

    glibc gives blocks over 32 MB back as soon as they are freed, and takes new ones from the system, which has to clear each page when it is
    first touched: a fifth of a step of VGG-16 in float32.  Without glibc (macOS, musl, Windows), and with another allocator preloaded, nothing
    changes.  Contexts may stand within each other; the outermost counts.  Source: mallopt(3).
    """
    global _within
    library = _glibc()
    if library is None:
        yield
        return
    _within += 1
    if _within == 1:
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        _within -= 1
        if not _within:
            for name, value in USUAL.items():
                library.mallopt(name, value)
            library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library, if it is glibc."""
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "gnu_get_libc_version") else None
    except (OSError, TypeError):  # Windows has no library of the process itself
        return None
