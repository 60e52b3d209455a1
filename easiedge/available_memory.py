"""Bytes that a computation may still take: the machine's, the control groups' (containers, SLURM, systemd) and the GPU's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch

NO_LIMIT = 1 << 60  # bytes from which a limit is none; version 1 writes about 2**63


@dataclass(frozen=True)
class _Files:
    """Where a version of control groups keeps them, and the names of a group's files; ``idle`` is given back when asked for."""

    mount: str
    limit: str
    used: str
    idle: tuple[str, ...]


_V2 = _Files("sys/fs/cgroup", "memory.max", "memory.current", ("inactive_file",))
_V1 = _Files(
    "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "inactive_file")
)


def available_memory(device: torch.device, root: Path = Path("/")) -> int | None:
    """Of ``device``; None where the system does not tell.

    Args:
        device: the GPU, or the CPU with the least of what ``/proc/meminfo`` and the control groups leave.
        root: of the file system to look into.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    found = [*_machine(root), *_groups(root)]
    return min(found) if found else None


def _machine(root: Path) -> Iterator[int]:
    kilobytes = _entry(root / "proc/meminfo", "MemAvailable:")
    if kilobytes is not None:
        yield kilobytes * 1024


def _groups(root: Path) -> Iterator[int]:
    """What the process's control group leaves, and each of those above it: the limits of all of them hold."""
    for files in (_V2, _V1):
        own = _own_group(root, files)
        for group in (own, *own.parents):
            folder = root / files.mount / group.relative_to("/")
            most, now = _number(folder / files.limit), _number(folder / files.used)
            if most is not None and now is not None and most < NO_LIMIT:
                idle = (_entry(folder / "memory.stat", name) for name in files.idle)
                yield max(most - now + next((i for i in idle if i is not None), 0), 0)


def _own_group(root: Path, files: _Files) -> PurePosixPath:
    """From lines ``number:controllers:path``; the number is 0, without controllers, in version 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        lines = []
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        mine = number == "0" and not controllers if files is _V2 else "memory" in controllers.split(",")
        if mine and path.startswith("/"):
            return PurePosixPath("/", *(part for part in PurePosixPath(path).parts[1:] if part != ".."))
    return PurePosixPath("/")


def _entry(path: Path, name: str) -> int | None:
    try:
        rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
        return next((int(row[1]) for row in rows if len(row) > 1 and row[0] == name), None)
    except (OSError, ValueError):
        return None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # "max" for no limit
        return None
