"""Bytes that a computation may still take: the machine's, the container's and the GPU's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

_GROUP_LIMITS = (  # limit, used, and what of that the kernel gives back when asked
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current", "sys/fs/cgroup/memory.stat"),
    (
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "sys/fs/cgroup/memory/memory.usage_in_bytes",
        "sys/fs/cgroup/memory/memory.stat",
    ),
)


def available_memory(device: torch.device, root: Path = Path("/")) -> int | None:
    """Of ``device``; None where the system does not tell.

    Args:
        device: the GPU, or the CPU with the least of what ``/proc/meminfo`` and the control group leave.
        root: of the file system to look into.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    found = list(_machine(root)) + list(_group(root))
    return min(found) if found else None


def _machine(root: Path) -> Iterator[int]:
    kilobytes = _entry(root / "proc/meminfo", "MemAvailable:")
    if kilobytes is not None:
        yield kilobytes * 1024


def _group(root: Path) -> Iterator[int]:
    for limit, used, details in _GROUP_LIMITS:
        most, now = _number(root / limit), _number(root / used)
        if most is not None and now is not None and most < 1 << 60:  # else there is none
            yield max(most - now + (_entry(root / details, "inactive_file") or 0), 0)


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
