"""The folder of exported files: a file and its entry in ``export.json`` come and go together.

New files are made in a folder of their own inside it.  To change anything, what goes is moved aside, what comes is moved in, the record is
written; whatever interrupts that, all is moved back.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from easiedge.atomic import write_atomically
from easiedge.deploy.export.export_record import RECORD, SCHEMA, read_record
from easiedge.errors import EasiEdgeError


def place(
    folder: Path, made: Sequence[Path], beside: Sequence[str], entry: Mapping[str, Any], about: Mapping[str, Any]
) -> None:
    """Put an exported file into ``folder`` and its entry into the record.

    An earlier file of that name goes, with its entry, and so do files of the same network that were made from an earlier artifact.

    Args:
        folder: of exports.
        made: the file and those that belong to it, elsewhere on the same disk.
        beside: suffixes of all that can belong to such a file.
        entry: of the file.
        about: what the record says of all files.

    Raises:
        ModelError: the record is damaged; nothing was changed.
        EasiEdgeError: the folder cannot be written; nothing was changed.
    """
    record = read_record(folder)
    name = entry["file"]
    kept, gone = _divided(
        record["files"],
        lambda each: each["file"] != name and (each["network"] != entry["network"] or each["from"] == entry["from"]),
    )
    own = {name, *(Path(name).with_suffix(suffix).name for suffix in beside)}
    with _without(folder, own | _files(gone) - _files(kept)):
        try:
            for file in made:
                file.chmod(0o644)
                file.replace(folder / file.name)
            _write(folder, {"schema": SCHEMA, **about, "files": [*kept, entry]})
        except BaseException:
            for file in made:
                (folder / file.name).unlink(missing_ok=True)
            raise


def forget(folder: Path, name: str, source: Mapping[str, str]) -> str:
    """What became of an earlier file ``name`` when a new one from the artifact ``source`` could not be made, for messages.

    One that was made from the same artifact stays; one that was made from another goes, with its entry.

    Raises:
        EasiEdgeError: the folder cannot be written; nothing was changed.
    """
    record = read_record(folder)
    kept, found = _divided(record["files"], lambda each: each["file"] != name)
    if not found:
        return ""
    if all(each["from"] == source for each in found) and (folder / name).is_file():
        return f"the earlier {name}, made from the same artifact, is still there"
    with _without(folder, _files(found) - _files(kept)):
        _write(folder, {**record, "files": kept})
    return f"the earlier {name}, which was not made from this artifact, was removed"


def _divided(
    entries: Sequence[dict[str, Any]], stays: Callable[[dict[str, Any]], bool]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return [each for each in entries if stays(each)], [each for each in entries if not stays(each)]


def _files(entries: Sequence[Mapping[str, Any]]) -> set[str]:
    return {name for each in entries for name in (each["file"], *each["sha256"])}


def _write(folder: Path, content: Mapping[str, Any]) -> None:
    write_atomically(folder / RECORD, json.dumps(content, indent=1, allow_nan=False) + "\n")


@contextmanager
def _without(folder: Path, names: set[str]) -> Iterator[None]:
    """Move files of the folder aside: they are deleted at the end, or moved back if it is a bad one, and the record is as before."""
    record = folder / RECORD
    before = record.read_bytes() if record.is_file() else None
    there = [folder / name for name in sorted(names) if (folder / name).exists()]
    for each in there:
        if not each.is_file():
            raise EasiEdgeError(f"{each} is not a file: move it away and export again")
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as aside:
            try:
                for each in there:
                    each.replace(Path(aside) / each.name)
                yield
            except BaseException:
                for each in there:
                    if (Path(aside) / each.name).exists():
                        (Path(aside) / each.name).replace(each)
                if before is None:
                    record.unlink(missing_ok=True)
                elif record.read_bytes() != before:
                    write_atomically(record, before)
                raise
    except OSError as error:
        raise EasiEdgeError(
            f"cannot write {folder} ({error.strerror or error}): mend its permissions or free some space"
        ) from error
