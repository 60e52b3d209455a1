"""Where decoded images, and what was found out about image files, are kept between runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from easiedge.atomic import write_atomically
from easiedge.errors import WriteError


def cache_path(name: str) -> Path:
    """A file of that name in the cache: in ``EASIEDGE_CACHE``, or ``~/.cache/easiedge``."""
    base = os.environ.get("EASIEDGE_CACHE") or Path.home() / ".cache" / "easiedge"
    return Path(base) / name


def cached_json(key: str, make: Callable[[], Any], whole: Callable[[Any], bool]) -> Any:
    """What was made for ``key`` before, or is now; where the cache cannot be read or written, or what it holds is not ``whole``, it is made anew."""
    where = cache_path(f"files-{hashlib.sha256(key.encode()).hexdigest()[:32]}.json")
    with suppress(OSError, ValueError):
        found = json.loads(where.read_text())
        if whole(found):
            return found
    made = make()
    with suppress(WriteError):
        write_atomically(where, json.dumps(made) + "\n")
    return made
