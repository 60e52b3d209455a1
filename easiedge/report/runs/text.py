"""Small text files of a run, read whole or refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from easiedge.errors import RunError

HALF = re.compile(r"\\u[dD][89a-fA-F]")  # half of a character that takes two
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
        RunError: the file cannot be read, or what `json_object` refuses.
    """
    return json_object(read_text(path), path.name)


def json_object(text: str, name: str) -> dict[str, Any]:
    """The JSON object that ``text`` is.

    Raises:
        RunError: it is cut off or no JSON, holds something else than an object, or half a character, which no file could take.
    """
    if not text.strip():
        raise RunError(f"{name} is empty")
    try:
        found = json.loads(text)
        if HALF.search(text):
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise RunError(f"{name} holds half a character") from error
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise RunError(f"{name} is cut off or no JSON{where}") from error
    if not isinstance(found, dict):
        raise RunError(f"{name} does not hold an object")
    return found
