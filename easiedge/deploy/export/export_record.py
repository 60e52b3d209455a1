"""``export.json``: what was exported, with what engine, and how far it agrees with the artifact."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from easiedge.atomic import write_atomically
from easiedge.deploy.artifact import ARCHITECTURE, WEIGHTS
from easiedge.deploy.export.engine_format import EngineFormat
from easiedge.errors import ModelError

SCHEMA, RECORD = 1, "export.json"


def fingerprint(artifact: Path) -> dict[str, str]:
    """SHA-256 of the artifact's files: what an export was made from."""
    return {name: hashlib.sha256((artifact / name).read_bytes()).hexdigest() for name in (WEIGHTS, ARCHITECTURE)}


def file_facts(path: Path, beside: Sequence[str]) -> dict[str, Any]:
    """Names, bytes and SHA-256 of an exported file and those that belong to it and are there."""
    files = [path, *(file for file in map(path.with_suffix, beside) if file.is_file())]
    return {
        "file": path.name,
        "bytes": sum(f.stat().st_size for f in files),
        "sha256": {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files},
    }


def read_record(folder: Path) -> dict[str, Any]:
    """The record in ``folder``; an empty one where there is none.

    Raises:
        ModelError: the file is damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        return {"schema": SCHEMA, "files": []}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA or not all(isinstance(each["file"], str) for each in found["files"]):
            raise ValueError(f"schema {found['schema']}")
    except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        raise ModelError(f"{path} cannot be read ({str(error)[:80]}): remove it and export again") from error
    return dict(found)


def exported_file(
    folder: Path, artifact: Path, kind: EngineFormat, network: str = "pruned", precision: str = "float32"
) -> Path | None:
    """The file in ``folder`` that was made from the artifact and is as it was written; None where there is none.

    Args:
        folder: with ``export.json``.
        artifact: the folder of the network.
        kind: the format.
        network: ``pruned`` or ``dense``.
        precision: ``float32`` or ``int8``.

    Raises:
        ModelError: the record is damaged.
    """
    wanted = {"format": kind.name, "network": network, "precision": precision, "from": fingerprint(artifact)}
    for each in read_record(folder)["files"]:
        path = folder / Path(each["file"]).name
        if all(each.get(key) == value for key, value in wanted.items()) and path.is_file():
            same = file_facts(path, kind.beside)["sha256"] == each.get("sha256")
            return path if same else None
    return None


def write_record(folder: Path, entries: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Add entries to the record of ``folder``; those of the same file are replaced, and those of an earlier artifact forgotten."""
    names = {each["file"] for each in entries}
    sources = {each["network"]: each["from"] for each in entries}
    kept = [
        each
        for each in read_record(folder)["files"]
        if each["file"] not in names and sources.get(each["network"], each["from"]) == each["from"]
    ]
    content = {"schema": SCHEMA, **about, "files": [*kept, *entries]}
    write_atomically(folder / RECORD, json.dumps(content, indent=1, allow_nan=False) + "\n")
