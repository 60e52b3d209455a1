"""Small text files of a run, read whole or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from easiedge.errors import RunError

LARGEST = 32 * 2**20  # bytes; what easiedge writes is far smaller


def read_text(path: Path) -> str:
    """The file's text.

    Raises:
        RunError: it is not a readable file, larger than 32 MiB, or not UTF-8.
    """
    try:
        if not path.is_file():
            raise RunError(f"{path.name} is missing")
        if path.stat().st_size > LARGEST:
            raise RunError(f"{path.name} is larger than {LARGEST // 2**20} MiB: easiedge writes no such file")
        return path.read_text(encoding="utf-8-sig")  # editors may put a mark in front
    except UnicodeDecodeError as error:
        raise RunError(f"{path.name} is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise RunError(f"{path.name} cannot be read: {error.strerror or error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        RunError: it cannot be read, is cut off or no JSON, or holds something else than an object.
    """
    text = read_text(path)
    if not text.strip():
        raise RunError(f"{path.name} is empty")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise RunError(f"{path.name} is cut off or no JSON{where}") from error
    if not isinstance(found, dict):
        raise RunError(f"{path.name} does not hold an object")
    return found
