"""``provenance.json`` beside a network: hashes of its files, and what its user needs to know of where it comes from.

The first entry is the SHA-256 of the file itself, taken with zeros in its own place, so that no byte of the three files can change
unseen.  It protects against damage and mix-ups, not against someone who writes all of them anew.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from easiedge import __version__
from easiedge.atomic import write_atomically
from easiedge.errors import EasiEdgeError, ModelError

PROVENANCE = "provenance.json"
LARGEST = 64 << 20  # bytes of a JSON file of an artifact; an architecture of a thousand layers has less than one MB
RESERVED = ("schema", "files", "sha256")  # entries that easiedge writes itself
_ZEROS = "0" * 64


def read_file(path: Path, largest: int | None = None) -> bytes:
    """The bytes of a file of an artifact.

    Raises:
        EasiEdgeError: it is missing.
        ModelError: no regular file, not readable, or larger than any that easiedge writes.
    """
    with _readable(path):
        if largest is not None and path.stat().st_size > largest:
            raise ModelError(f"{path} is over {largest >> 20} MB, which no artifact of easiedge is: export it again")
        return path.read_bytes()


def file_digest(path: Path) -> str:
    """SHA-256 of a file of an artifact, read in pieces.

    Raises:
        EasiEdgeError: it is missing.
        ModelError: no regular file, or not readable.
    """
    with _readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        if path.exists() and not path.is_file():
            raise ModelError(f"{path} is not a file: copy or export the network again")
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise EasiEdgeError(
            f"{path.parent} holds no network ({path.name} is missing): give the folder that easiedge.save wrote"
        ) from error
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror or error}): copy or export the network again"
        ) from error


def sealed(files: Mapping[str, bytes], about: Mapping[str, Any]) -> bytes:
    """The content of ``provenance.json`` for the files of an artifact.

    Raises:
        ModelError: ``about`` is not what JSON can hold.
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return _signed(hashes, {**about, "versions": {**versions(), **about.get("versions", {})}})


def check_about(about: Any) -> None:
    """Raise unless ``about`` may stand in ``provenance.json`` beside what easiedge writes there itself.

    Raises:
        ModelError: it is no dict, holds a reserved name, or versions that are no dict.
    """
    if not isinstance(about, Mapping):
        raise ModelError(f"the provenance of a network must be a dict of facts, not {type(about).__name__}")
    taken = [name for name in RESERVED if name in about]
    if taken:
        raise ModelError(
            f"the provenance of a network holds {', '.join(map(repr, taken))}, which easiedge writes itself: leave it out or call it "
            "something else"
        )
    if not isinstance(about.get("versions", {}), Mapping):
        raise ModelError(
            f"'versions' in the provenance of a network must be a dict such as {{'numpy': '2.1'}}, not {about['versions']!r:.60}"
        )


def versions() -> dict[str, str]:
    """What the artifact was written with."""
    return {"easiedge": __version__, "torch": str(torch.__version__), "python": platform.python_version()}


def _signed(hashes: Mapping[str, str], about: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps({"sha256": _ZEROS, "files": dict(hashes), **about}, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f"the provenance of a network must be what JSON can hold ({error}): texts, finite numbers, lists, and dicts of them"
        ) from error
    if len(text) > LARGEST:
        raise ModelError(f"the provenance of a network would be over {LARGEST >> 20} MB: leave the large entries out")
    return text.replace(_ZEROS, hashlib.sha256(text.encode()).hexdigest(), 1).encode()


def opened(content: bytes, where: Path) -> dict[str, Any]:
    """The provenance in ``content``, after checking it against its own hash.

    Raises:
        ModelError: it was changed, or is none.
    """
    try:
        found = json.loads(content)
        digest, files = found["sha256"], found["files"]
        whole = isinstance(digest, str) and len(digest) == 64 and isinstance(files, dict)
        plain = content.decode().replace(f'"sha256": "{digest}"', f'"sha256": "{_ZEROS}"', 1)
    except (ValueError, KeyError, TypeError, RecursionError):
        whole, plain, digest, found = False, "", "", {}
    if not whole or hashlib.sha256(plain.encode()).hexdigest() != digest:
        raise ModelError(f"{where / PROVENANCE} was changed since it was written: copy or export the network again")
    return dict(found)


def check_files(found: Mapping[str, Any], files: Mapping[str, bytes], where: Path) -> None:
    """Compare the files with their hashes.

    Raises:
        ModelError: one of them was changed; it is named.
    """
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != found["files"].get(name):
            raise ModelError(
                f"{where / name} was changed since it was written (its SHA-256 is not that in {PROVENANCE}): copy or export "
                "the network again"
            )


def read_provenance(directory: str | Path) -> dict[str, Any]:
    """What travels with the network in ``directory``; empty for artifacts written before there was any.

    Entries, where they are known: ``input``, ``classes``, ``pruned``, ``from``, ``metrics``, ``config``, ``versions``.

    Raises:
        ModelError: the file was changed.
    """
    directory = Path(directory)
    if not (directory / PROVENANCE).exists():
        return {}
    return opened(read_file(directory / PROVENANCE, LARGEST), directory)


def add_provenance(directory: str | Path, about: Mapping[str, Any]) -> None:
    """Write more facts, such as ``metrics``, beside the network in ``directory``; those of the same name are replaced.

    Raises:
        EasiEdgeError: there is no network, or the folder cannot be written.
        ModelError: the file was changed, or the facts are not what JSON can hold or have names that easiedge writes itself.
    """
    check_about(about)
    directory = Path(directory)
    known = opened(read_file(directory / PROVENANCE, LARGEST), directory)
    facts = {name: value for name, value in known.items() if name not in ("sha256", "files")}
    write_atomically(directory / PROVENANCE, _signed(known["files"], {**facts, **about}))
