"""What a W&B offline file holds: its records joined, since it is cut into blocks of 32 KiB that may fall into a name."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


@dataclass
class Logged:
    """What a run's file says: configuration, last summary, rows of history, artifacts by name, and whether it has ended."""

    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    artifacts: dict[str, Any] = field(default_factory=dict)
    run: Any = None
    exit_code: int | None = None

    def curve(self, name: str) -> list[float]:
        """All values logged under a name, in order."""
        return [row[name] for row in self.history if name in row]


def logged(path: Path, seconds: float = 20.0) -> Logged:
    """Parse a run's file; W&B's writer ends it a moment after the run, so wait for the record of its exit."""
    end = time.monotonic() + seconds
    while (found := _logged(path)).exit_code is None and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _logged(path: Path) -> Logged:
    found = Logged()
    for record in _records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found.run = record.run
        elif kind == "config":
            found.config |= _items(record.config.update)
        elif kind == "summary":
            found.summary |= _items(record.summary.update)
        elif kind == "history":
            found.history.append(_items(record.history.item))
        elif kind == "artifact":
            found.artifacts[record.artifact.name] = record.artifact
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def _items(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(path: Path) -> Iterator[Any]:
    """Whole records of the file: pieces of type 1 (whole), or 2 (first), 3 (middle) and 4 (last)."""
    from wandb.proto import wandb_internal_pb2

    data, at, pieces = path.read_bytes(), START, b""
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if at + HEADER + length > len(data):
            return  # still being written
        pieces += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(pieces)
            pieces = b""
            yield record
