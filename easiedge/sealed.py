r"""Files that prove themselves: plain tensors, numbers, texts and containers of them, under their SHA-256.

    b"easiedge sealed 1\n" + hexadecimal SHA-256 of the rest + b"\n" + torch.save(content)

Reading admits nothing but plain values (``weights_only``), so that a file runs no code; a file that was cut off or changed is refused.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from easiedge.atomic import write_atomically
from easiedge.errors import EasiEdgeError

HEAD = b"easiedge sealed 1\n"


class SealError(EasiEdgeError):
    """A sealed file that is damaged; says how it was seen."""


def write_sealed(path: Path, content: Mapping[str, Any]) -> int:
    """Write ``content`` whole or not at all, flushed to disk; returns the bytes.

    Raises:
        EasiEdgeError: the folder cannot be written, or the disk is full.
    """
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    payload = buffer.getvalue()
    data = HEAD + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload
    write_atomically(path, data)
    return len(data)


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` wrote, on the CPU.

    Raises:
        SealError: it is cut off, was changed, or holds more than plain values.
        FileNotFoundError: it is not there.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SealError(f"{path} cannot be read: {error.strerror or error}") from error
    head, seal = data[: len(HEAD)], data[len(HEAD) : len(HEAD) + 65]
    payload = memoryview(data)[len(HEAD) + 65 :]
    if head != HEAD or seal != hashlib.sha256(payload).hexdigest().encode() + b"\n":
        raise SealError(f"{path} was cut off or changed: its content is not what was written")
    try:
        found = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises a dozen kinds
        raise SealError(f"{path} holds more than plain values ({str(error).splitlines()[0][:120]})") from error
    if not isinstance(found, dict):
        raise SealError(f"{path} holds no mapping")
    return found
