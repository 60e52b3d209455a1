"""All runs as columns: the table on the page, and ``runs.csv``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from easiedge.report.page.cost_charts import milliseconds
from easiedge.report.page.labels import budget_label
from easiedge.report.page.settings import BUDGET, SCOPE, configurations, differing_names
from easiedge.report.runs.run import Run

MOST_SHOWN = 12  # configuration columns that the page shows unless asked for more
Cell = str | int | float | bool | None


@dataclass(frozen=True, eq=False)
class Column:
    """One column.

    Attributes:
        name: by which filters and the CSV call it.
        title: at its head.
        form: ``text``, ``number``, ``whole`` or ``percent`` (a share).
        cells: a value for each run.
        config: it is a value of the configuration that differs between runs.
        shown: unless the reader chooses otherwise.
        usual: of a configuration column, the value that most runs have.
    """

    name: str
    title: str
    form: str
    cells: tuple[Cell, ...]
    config: bool = False
    shown: bool = True
    usual: Cell = None


def columns_of(runs: Sequence[Run], paths: Sequence[str]) -> list[Column]:
    """The columns in reading order; those that hold nothing are left out, those that are the same for all start hidden.

    Args:
        runs: all of them.
        paths: what each run is called, relative to the folder of the report.
    """
    figures = [
        Column("run", "run", "text", tuple(paths)),
        *(
            Column(name, title, form, tuple(_finite(of(run)) for run in runs))
            for name, title, form, of in FIGURES
        ),
    ]  # fmt: skip
    kept = [c for c in figures if any(cell is not None and cell != "" for cell in c.cells)]
    several = len(runs) > 1
    shown = [
        Column(c.name, c.title, c.form, c.cells, shown=c.name in ALWAYS or (several and len(set(c.cells)) > 1 and c.name not in HIDDEN))
        for c in kept
    ]  # fmt: skip
    return [*shown, *_config_columns(runs)]


def _config_columns(runs: Sequence[Run]) -> list[Column]:
    configs = configurations(runs)
    columns: list[Column] = []
    for name in differing_names(configs):
        if name == SCOPE or name.startswith(BUDGET):
            continue
        cells: tuple[Cell, ...] = tuple(config.get(name) for config in configs)
        numeric = all(isinstance(c, int | float) and not isinstance(c, bool) for c in cells if c is not None)
        if not numeric:
            cells = tuple(None if c is None else str(c).lower() if isinstance(c, bool) else str(c) for c in cells)
        usual = Counter(cells).most_common(1)[0][0]
        columns.append(
            Column(name, name, "number" if numeric else "text", cells, True, len(columns) < MOST_SHOWN, usual)
        )
    return columns


def _pruned(name: str) -> Callable[[Run], Cell]:
    return lambda run: None if run.pruned is None else run.pruned[name]


def _change(run: Run) -> Cell:
    return None if run.pruned is None else run.accuracy - run.dense["accuracy"]


def _removed(quantity: str) -> Callable[[Run], Cell]:
    return lambda run: run.removed(quantity)


def _reached(run: Run) -> Cell:
    reached = run.metrics.get("budget", {}).get("reached")
    return None if reached is None else "yes" if reached else "no"


def _faster(engine: str) -> Callable[[Run], Cell]:
    """Than the dense network, one image at a time in float32; of several sittings the last."""

    def times(run: Run) -> Cell:
        found = [e.times_faster for e in run.engines if (e.engine, e.batch, e.precision) == (engine, 1, "float32")]
        return found[-1] if found else None

    return times


ENGINES = (
    ("onnxruntime", "ONNX Runtime"),
    ("openvino", "OpenVINO"),
    ("torch_compile", "torch.compile"),
    ("torch", "torch"),
)
FIGURES: tuple[tuple[str, str, str, Callable[[Run], Cell]], ...] = (
    ("data", "data", "text", lambda run: run.data),
    ("model", "model", "text", lambda run: run.model),
    ("method", "method", "text", lambda run: run.method if run.pruned is not None else "dense training"),
    ("scope", "scope", "text", lambda run: run.scope),
    ("budget", "budget asked", "text", lambda run: budget_label(run.metrics.get("budget", {}).get("requested", {})) or None),
    ("seed", "seed", "whole", lambda run: run.seed),
    ("accuracy", "test accuracy", "percent", lambda run: run.accuracy),
    ("dense_accuracy", "dense accuracy", "percent", lambda run: run.dense["accuracy"]),
    ("change", "change", "percent", _change),
    ("before_finetune", "before fine-tuning", "percent", _pruned("accuracy_before_finetune")),
    ("filters_removed", "filters removed", "percent", _removed("filters")),
    ("params_removed", "parameters removed", "percent", _removed("params")),
    ("macs_removed", "MACs removed", "percent", _removed("macs")),
    ("params", "parameters", "whole", lambda run: (run.pruned or run.dense)["params"]),
    ("macs", "MACs", "whole", lambda run: (run.pruned or run.dense)["macs"]),
    ("latency_ms", "latency [ms]", "number", milliseconds),
    *((f"faster_{name}", f"times faster, {label}", "number", _faster(name)) for name, label in ENGINES),
    ("reached", "budget reached", "text", _reached),
    ("seconds", "seconds", "number", lambda run: run.metrics.get("seconds", {}).get("total")),
)  # fmt: skip
ALWAYS = frozenset({"run", "method", "seed", "accuracy"})
HIDDEN = frozenset({"params", "macs", "before_finetune"})


def _finite(value: Cell) -> Cell:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def packed(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The columns for the page: texts as numbers into a list of levels, shares and figures with six significant digits."""
    found = []
    for column in columns:
        head: dict[str, Any] = {"name": column.name, "title": column.title, "form": column.form, "shown": column.shown}
        if column.form == "text":
            levels = list(dict.fromkeys(c for c in column.cells if c is not None))
            place = {level: i for i, level in enumerate(levels)}
            head |= {"levels": levels, "cells": [None if c is None else place[c] for c in column.cells]}
            usual: Any = None if column.usual is None else place.get(column.usual)
        else:
            head |= {"cells": [_short(c) for c in column.cells]}
            usual = _short(column.usual)
        found.append(head | ({"config": True, "usual": usual} if column.config else {}))
    return found


def _short(value: Cell) -> Cell:
    if not isinstance(value, float):
        return value
    short = float(f"{value:.6g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short
