"""What a W&B offline file holds: its records joined, since it is cut into blocks of 32 KiB that may fall into a name."""

import time
from collections.abc import Sequence
from pathlib import Path

BLOCK, HEADER, START = (
    32 * 1024,
    7,
    7,
)  # as LevelDB's log: checksum 4 bytes, length 2, type 1, behind 7 bytes that name the format


def missing(path: Path, names: Sequence[bytes], seconds: float = 20.0) -> list[bytes]:
    """Those of ``names`` that the file does not hold; W&B's writer closes the file a moment after the run has ended, so look again."""
    end = time.monotonic() + seconds
    while left := [name for name in names if name not in content(path)]:
        if time.monotonic() > end:
            return left
        time.sleep(0.1)
    return []


def content(path: Path) -> bytes:
    """All records of the file, one after the other."""
    data, at, parts = path.read_bytes(), START, []
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        length = int.from_bytes(data[at + 4 : at + 6], "little")
        parts.append(data[at + HEADER : at + HEADER + length])
        at += HEADER + length
    return b"".join(parts)
