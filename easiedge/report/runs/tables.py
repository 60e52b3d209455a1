"""``layers.csv`` and ``curves.csv``."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from easiedge.errors import RunError
from easiedge.report.layer_row import LayerRow
from easiedge.report.runs.run import CurveRow
from easiedge.report.runs.text import read_text

LAYER_COLUMNS = tuple(f.name for f in fields(LayerRow))
CURVE_COLUMNS = tuple(f.name for f in fields(CurveRow))


def read_layers(path: Path) -> tuple[LayerRow, ...]:
    """Rows in forward order.

    Raises:
        RunError: another header, a row that is cut off, a count that is none, more units after than before.
    """
    rows = []
    for line, row in _rows(path, LAYER_COLUMNS):
        group, layer, *figures = row
        counts = [_count(path, line, name, cell) for name, cell in zip(LAYER_COLUMNS[2:], figures, strict=True)]
        if counts[0] < 1 or not 1 <= counts[1] <= counts[0]:
            raise RunError(f"{path.name} line {line}: {counts[1]} of {counts[0]} units after pruning cannot be")
        rows.append(LayerRow(group, layer, *counts))
    return tuple(rows)


def read_curves(path: Path) -> tuple[CurveRow, ...]:
    """Rows in the order of training.

    Raises:
        RunError: another header, a row that is cut off, a figure that is none.
    """
    rows = []
    for line, row in _rows(path, CURVE_COLUMNS):
        stage, epoch, *cells = row
        figures = [_figure(path, line, name, cell) for name, cell in zip(CURVE_COLUMNS[2:], cells, strict=True)]
        accuracy = figures[2]
        if accuracy is not None and not 0 <= accuracy <= 1:
            raise RunError(f"{path.name} line {line}: val_accuracy={accuracy:g} is outside [0, 1]")
        rows.append(CurveRow(stage, _count(path, line, "epoch", epoch), *figures))
    return tuple(rows)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Line number and the cells of ``columns``, in that order, of each row."""
    text = read_text(path)
    if not text.endswith("\n"):
        raise RunError(f"{path.name} is cut off: its last line has no end")
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        head = next(reader, [])
        missing = [name for name in columns if name not in head]
        if missing:
            raise RunError(f"{path.name} has no column {missing[0]}")
        places = [head.index(name) for name in columns]
        for row in reader:
            if not row:
                continue
            if len(row) != len(head):
                raise RunError(f"{path.name} line {reader.line_num} has more or fewer cells than the header")
            yield reader.line_num, [row[i] for i in places]
    except csv.Error as error:
        raise RunError(f"{path.name} is no CSV: {error}") from error


def _count(path: Path, line: int, name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise RunError(f"{path.name} line {line}: {name}={text[:40]!r} is not a count")
    return int(text)


def _figure(path: Path, line: int, name: str, text: str) -> float | None:
    """None for an empty cell and for what is not finite."""
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise RunError(f"{path.name} line {line}: {name}={text[:40]!r} is not a number") from error
    return value if math.isfinite(value) else None
