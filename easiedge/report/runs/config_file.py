"""``config.yaml`` as dotted names with plain values."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from easiedge.errors import RunError
from easiedge.report.runs.run import Setting
from easiedge.report.runs.text import read_text

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # plain values only: no tag can make an object
MOST, DEEPEST, LONGEST = 5_000, 24, 4_000
SECTION = re.compile(r"^(?=[A-Za-z_])", re.MULTILINE)  # where a key of the file's own level begins
HANGING = re.compile(r"^(?![A-Za-z_]\w*:(?: |$)| |- |$)|(?:^|[\s\[{,:])[&*!][^\s'\"]|[|>][-+0-9]*$", re.MULTILINE)
"""Anything that may reach from one section into the next: another kind of line, anchors, aliases and tags, blocks of text."""
SAFE = 1_000  # levels of nesting that the parser's stack bears on any system


def read_config(path: Path) -> dict[str, Setting]:
    """The configuration; a list is one value, its JSON text.

    Raises:
        RunError: no plain YAML mapping, or nested and repeated beyond what a configuration is.
    """
    text = read_text(path)
    return _by_sections(text) or _whole_file(text, path.name)


def _by_sections(text: str) -> dict[str, Setting] | None:
    """The same, each section of the file read by itself, once for all files that hold it: a sweep's differ in a few lines.

    None where the sections may hang together or one is not what `read_config` takes: the file as a whole says what is wrong.
    """
    if HANGING.search(text) or not text.strip():
        return None
    sections = [part for part in SECTION.split(text) if part]
    flat: dict[str, Setting] = {}
    left, names = MOST, set()
    for section in sections:
        try:
            name, leaves, used = _section(section)
        except RunError:
            return None
        left -= used
        if left < 0 or name in names:
            return None
        names.add(name)
        flat.update(leaves)
    return flat


@lru_cache(maxsize=4096)
def _section(text: str) -> tuple[str, Mapping[str, Setting], int]:
    """Name, values by dotted names, and their number, of a mapping with one key."""
    found = _loaded(text, "")
    if len(found) != 1:
        raise RunError("more than one section")
    return str(next(iter(found))), *_flat(found, "")


def _whole_file(text: str, name: str) -> dict[str, Setting]:
    return _flat(_loaded(text, name), name)[0]


def _flat(found: Mapping[Any, Any], name: str) -> tuple[dict[str, Setting], int]:
    """Values by dotted names, and how many there are with those in lists."""
    left = [MOST]
    leaves = dict(_leaves(found, "", 0, left, name))
    return {_whole(key)[:LONGEST]: value for key, value in leaves.items()}, MOST - left[0]


def _loaded(text: str, name: str) -> Mapping[Any, Any]:
    try:
        if _may_be_deep(text) and _depth(text) > DEEPEST:
            raise RunError(f"{name} is nested more than {DEEPEST} deep")
        found = yaml.load(text, Loader=LOADER)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise RunError(f"{name} is no plain YAML{where}") from error
    if not isinstance(found, Mapping):
        raise RunError(f"{name} does not hold a mapping")
    return found


def _may_be_deep(text: str) -> bool:
    """Whether it could be nested deeper than the C parser's stack bears, which ends the process: every level takes a bracket or a column."""
    return text.count("[") + text.count("{") + max(map(len, text.splitlines()), default=0) > SAFE


def _depth(text: str) -> int:
    """Levels of nesting, without building anything."""
    depth = deepest = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > DEEPEST:
                break
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return deepest


def _leaves(
    values: Mapping[Any, Any], prefix: str, depth: int, left: list[int], file: str
) -> Iterator[tuple[str, Setting]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            if depth >= DEEPEST:
                raise RunError(f"{file} is nested more than {DEEPEST} deep at {name[:80]}")
            yield from _leaves(value, f"{name}.", depth + 1, left, file)
        else:
            _take(value, left, file, 0)
            yield name, _plain(value)


def _take(value: Any, left: list[int], file: str, depth: int) -> None:
    """Count the values in a leaf, so that aliases of aliases end early."""
    left[0] -= 1
    if left[0] < 0 or depth > DEEPEST:
        raise RunError(
            f"{file} holds more than {MOST} values or is nested without end: no configuration of easiedge does"
        )
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple | set) else ()
    for each in inner:
        _take(each, left, file, depth + 1)


def _plain(value: Any) -> Setting:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = _whole(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _whole(text: str) -> str:
    """The text with question marks for halves of characters, which no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
