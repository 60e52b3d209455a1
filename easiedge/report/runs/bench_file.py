"""``bench/bench.json``: how long the pruned network takes beside the dense one, in each engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from easiedge.errors import RunError
from easiedge.report.runs.fields import name_of, number, sequence, whole
from easiedge.report.runs.run import EngineTime
from easiedge.report.runs.text import read_json

SCHEMA = 1
FILE = Path("bench") / "bench.json"


def read_bench(path: Path) -> tuple[EngineTime, ...]:
    """The pruned network's rows, in the order of the file.

    Raises:
        RunError: it cannot be read, or names the field that is wrong.
    """
    content = read_json(path)
    if content.get("schema") != SCHEMA:
        raise RunError(f"bench.json has schema {str(content.get('schema'))[:20]}: this easiedge reads {SCHEMA}")
    machine = name_of(content, "machine")
    found = []
    for i, row in enumerate(sequence(content, "rows"), 1):
        try:
            found.extend(_row(row, machine))
        except RunError as error:
            raise RunError(f"bench.json, row {i}: {error}") from error
    return tuple(found)


def _row(row: Any, machine: str) -> list[EngineTime]:
    if not isinstance(row, Mapping):
        raise RunError("is not an object")
    if name_of(row, "network") != "pruned":
        return []
    batch, median = whole(row, "batch", low=1), number(row, "median_ms", 1e-12)
    faster = number(row, "times_faster.estimate", 1e-12)
    assert median is not None and faster is not None
    return [
        EngineTime(
            name_of(row, "engine"), name_of(row, "precision"), batch, whole(row, "threads", low=1), machine, median / batch, faster
        )
    ]  # fmt: skip
