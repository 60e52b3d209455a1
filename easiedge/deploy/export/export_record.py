"""``export.json``: what was exported, with what engine, and how far it agrees with the artifact."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from easiedge.deploy.artifact import ARCHITECTURE, WEIGHTS
from easiedge.deploy.export.engine_format import EngineFormat
from easiedge.deploy.provenance import file_digest
from easiedge.errors import ModelError

SCHEMA, RECORD = 1, "export.json"


def fingerprint(artifact: Path) -> dict[str, str]:
    """SHA-256 of the artifact's files: what an export was made from.

    Raises:
        EasiEdgeError: one of them is missing.
        ModelError: one of them is no file, or cannot be read.
    """
    return {name: file_digest(artifact / name) for name in (WEIGHTS, ARCHITECTURE)}


def files_of(path: Path, beside: Sequence[str]) -> list[Path]:
    """An exported file and those that belong to it and are there."""
    return [path, *filter(Path.is_file, map(path.with_suffix, beside))]


def bytes_of(path: Path, beside: Sequence[str]) -> int:
    """Of an exported file and those that belong to it."""
    return sum(file.stat().st_size for file in files_of(path, beside))


def file_facts(path: Path, beside: Sequence[str]) -> dict[str, Any]:
    """Names, bytes and SHA-256 of an exported file and those that belong to it."""
    return {
        "file": path.name,
        "bytes": bytes_of(path, beside),
        "sha256": {f.name: file_digest(f) for f in files_of(path, beside)},
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
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        raise ModelError(f"{path} is damaged or cannot be read: remove it and export again") from error
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema != SCHEMA:
        raise ModelError(
            f"{path} has no schema that this version of easiedge reads ({SCHEMA}): remove it and export again"
        )
    files = found.get("files")
    if not isinstance(files, list):
        raise ModelError(f"{path} has no list of files: remove it and export again")
    for number, each in enumerate(files, 1):
        if (wrong := _what_is_wrong(each)) is not None:
            raise ModelError(f"{path}: entry {number} of files {wrong}: remove it and export again")
    return dict(found)


def _what_is_wrong(entry: Any) -> str | None:
    """The first thing that makes ``entry`` none of easiedge's, in words."""
    if not isinstance(entry, dict):
        return "is no entry"
    for name in ("file", "format", "network", "precision"):
        if not isinstance(entry.get(name), str):
            return f"does not say its {name}"
    for name in ("from", "sha256"):
        hashes = entry.get(name)
        if not isinstance(hashes, dict) or not all(isinstance(value, str) for value in hashes.values()):
            return f"has no hashes under {name}"
    if any(Path(name).name != name or name in ("", "..", RECORD) for name in (entry["file"], *entry["sha256"])):
        return "names a file that is not in this folder"
    return None


def exported_file(
    folder: Path, artifact: Path, kind: EngineFormat, network: str = "pruned", precision: str = "float32"
) -> Path | None:
    """The file in ``folder`` that was made from the artifact; None where there is none.

    Args:
        folder: with ``export.json``.
        artifact: the folder of the network.
        kind: the format.
        network: ``pruned`` or ``dense``.
        precision: ``float32`` or ``int8``.

    Raises:
        EasiEdgeError: the artifact is not whole.
        ModelError: the file was changed since it was written, or the record is damaged.
    """
    wanted = {"format": kind.name, "network": network, "precision": precision, "from": fingerprint(artifact)}
    for each in read_record(folder)["files"]:
        path = folder / each["file"]
        if all(each[key] == value for key, value in wanted.items()) and path.is_file():
            if file_facts(path, kind.beside)["sha256"] != each["sha256"]:
                beside = f", or {' or '.join(kind.beside)} beside it," if kind.beside else ""
                raise ModelError(
                    f"{path}{beside} was changed since it was exported (its SHA-256 is not that in {RECORD}): easiedge export "
                    f"{folder.parent}{_options(kind, network, precision)}"
                )
            return path
    return None


def _options(kind: EngineFormat, network: str, precision: str) -> str:
    """Of the command that exports such a file again."""
    return (
        f" --to {kind.name}"
        + (" --int8" if precision == "int8" else "")
        + (f" --network {network}" if network != "pruned" else "")
    )
