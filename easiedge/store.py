"""Values on disk under the digest of what they were made from, for the jobs of a sweep to share.

Content-addressed: an entry is never changed, so that of two processes that make the same one at once either may write it.
Losing an entry costs its computation and nothing else; no failure here is an error of the run.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from easiedge.atomic import write_atomically
from easiedge.errors import EasiEdgeError

log = logging.getLogger(__name__)

LIMIT = 4 << 30  # bytes of all entries
ABANDONED = 3600.0  # seconds after which a half-written file is taken to be that of a process that died


class Store:
    """A folder of safetensors files, ``KEY.safetensors``: tensors, and facts that JSON can hold.

    Args:
        directory: made when the first entry is written.
        limit: bytes of all entries; the least recently used go first.  One larger than a quarter of it is not kept.
    """

    def __init__(self, directory: Path, limit: int = LIMIT) -> None:
        self.directory, self.limit = directory, limit

    def get(self, key: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors, on the CPU and the caller's own, and facts; None where there are none, or damaged ones, which is logged."""
        path = self._path(key)
        try:
            with safe_open(path, framework="pt") as file:
                written = file.metadata() or {}
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  # aligned as torch's own
            facts = json.loads(written["facts"])
            if written["content"] != _content(tensors, written["facts"]):
                raise ValueError("its content is not what was written")
            with suppress(OSError):  # a folder that can only be read, or another process removed it since
                os.utime(path)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError, RecursionError) as error:
            log.warning("%s cannot be used (%s): made afresh", path, str(error).split("\n")[0][:120])
            return None
        return tensors, facts

    def put(self, key: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Keep ``tensors`` and ``facts``, with twice their bytes of memory meanwhile; what cannot be kept is logged."""
        size = sum(tensor.nbytes for tensor in tensors.values())
        if size > self.limit // 4:
            log.info("%.1f GB are too much to share: other jobs make them again", size / 1e9)
            return
        own = {name: _own(tensor.detach().cpu().contiguous()) for name, tensor in tensors.items()}
        text = json.dumps(dict(facts))
        try:
            content = safetensors.torch.save(own, {"facts": text, "content": _content(own, text)})
            write_atomically(self._path(key), content)
            self._trim()
        except (EasiEdgeError, OSError) as error:
            log.warning("nothing is kept for other jobs: %s", error)

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}.safetensors"

    def _trim(self) -> None:
        """Remove what a process that died left half-written, and the least recently used entries above the limit."""
        for half in self.directory.glob(".*.safetensors.*"):
            if (found := _stat(half)) is not None and time.time() - found.st_mtime > ABANDONED:
                half.unlink(missing_ok=True)
        known = [
            (found.st_mtime_ns, found.st_size, p) for p in self.directory.glob("*.safetensors") if (found := _stat(p))
        ]
        total = sum(size for _, size, _ in known)
        for _, size, path in sorted(known):
            if total <= self.limit:
                break
            path.unlink(missing_ok=True)
            total -= size


def _own(tensor: Tensor) -> Tensor:
    """The tensor, copied only where it is part of a larger one: safetensors takes no views."""
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:  # another process was quicker
        return None


def _content(tensors: Mapping[str, Tensor], facts: str) -> str:
    """SHA-256 over names, forms and bytes, so that a flipped bit is seen too."""
    found = hashlib.sha256(facts.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)};".encode())
        flat = tensor.contiguous().reshape(-1)
        if flat.numel():
            found.update(flat.view(torch.uint8).numpy().data)
    return found.hexdigest()
