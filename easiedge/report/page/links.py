"""Paths on a page: as links that any name survives, and as text."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote


def link(target: Path, page: Path) -> str:
    """A relative address of ``target`` from the folder ``page``, percent-encoded; of a directory, with a slash behind it."""
    try:
        relative = os.path.relpath(target, page)  # as text: so does a browser, which follows no links on disk
    except ValueError:  # another drive
        return target.absolute().as_uri()
    address = quote(os.fsencode(Path(relative).as_posix()))
    if ":" in address.split("/")[0]:  # would read as a scheme
        address = f"./{address}"
    return f"{address}/" if target.is_dir() else address


def shown(path: Path, root: Path) -> str:
    """The path below ``root`` as text; bytes that are no UTF-8 become replacement characters."""
    try:
        relative = path.relative_to(root)
    except ValueError:
        relative = path
    name = relative.as_posix() if relative.parts else "."
    return os.fsencode(name).decode("utf-8", "replace")
