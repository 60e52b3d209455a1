"""What happened within a setting: units kept, ADMM, training; the mean over its seeds, in pieces that any two settings share a chart with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from easiedge.report.page.chart import Axis, Bars, Lines, Series, thinned
from easiedge.report.page.settings import Setting
from easiedge.report.runs.run import CurveRow, Run

LAYERS, RESIDUALS, RHO, FLIPPED, ACCURACY, LOSS = (
    "layers",
    "admm-residuals",
    "admm-rho",
    "admm-flipped",
    "training-accuracy",
    "training-loss",
)
ITERATION, EPOCH = Axis("ADMM iteration", "whole"), Axis("epoch, all stages one after the other", "whole")
GREEK_RHO = "\N{GREEK SMALL LETTER RHO}"
FRAMES: dict[str, Lines] = {
    RESIDUALS: Lines(RESIDUALS, "ADMM residuals", ITERATION, Axis("residual", log=True), ()),
    RHO: Lines(RHO, f"ADMM penalty {GREEK_RHO}", ITERATION, Axis(GREEK_RHO), ()),
    FLIPPED: Lines(FLIPPED, "Gates flipped", ITERATION, Axis("share of the gates [%]", "percent"), ()),
    ACCURACY: Lines(ACCURACY, "Validation accuracy in training", EPOCH, Axis("validation accuracy [%]", "percent"), ()),
    LOSS: Lines(LOSS, "Loss in training", EPOCH, Axis("loss", log=True), ()),
}
LAYERS_FRAME = Bars(LAYERS, "Units kept in each layer", (), Axis("units"), ())


@dataclass(frozen=True, eq=False)
class Detail:
    """One setting.

    Attributes:
        name: of the setting.
        layers: names and units of the dense network's layers that hold units.
        parts: series by the chart they go into; empty where the runs have no such figures.
        stages: names of the training stages in order, with the epoch at which each begins.
    """

    name: str
    layers: tuple[tuple[str, int], ...]
    parts: dict[str, tuple[Series, ...]]
    stages: tuple[tuple[str, int], ...]


def detail_of(setting: Setting, name: str, most_points: int) -> Detail:
    """The means over the runs; curves have at most ``most_points`` points."""
    layers, kept = _kept(setting.runs)
    parts: dict[str, tuple[Series, ...]] = {LAYERS: kept} if kept else {}
    if any(run.iterations for run in setting.runs):
        parts[RESIDUALS] = (
            _iterations(setting.runs, "primal_residual", "primal residual r"),
            replace(_iterations(setting.runs, "dual_residual", "dual residual s"), dashed=True),
        )
        parts[RHO] = (_iterations(setting.runs, "rho", GREEK_RHO),)
        parts[FLIPPED] = (_iterations(setting.runs, "flipped", "gates flipped"),)
    curves, stages = _aligned(setting.runs)
    if curves:
        parts[ACCURACY] = (_epochs(curves, lambda row: row.val_accuracy, "validation accuracy"),)
        losses = (
            _epochs(curves, lambda row: row.train_loss, "training loss"),
            replace(_epochs(curves, lambda row: row.val_loss, "validation loss"), dashed=True),
        )
        parts[LOSS] = tuple(s for s in losses if any(map(math.isfinite, s.y)))
    return Detail(
        name,
        layers,
        {k: tuple(thinned(s, most_points) for s in v) if k != LAYERS else v for k, v in parts.items()},
        stages,
    )


def layers_chart(details: Sequence[Detail]) -> Bars | None:
    """Units of each layer in the dense network and in each setting."""
    with_layers = [d for d in details if LAYERS in d.parts]
    if not with_layers:
        return None
    layers = with_layers[0].layers
    dense = Series("dense network", (), tuple(float(units) for _, units in layers), hue=-1)
    series = [replace(d.parts[LAYERS][0], name=d.name, hue=i) for i, d in enumerate(with_layers) if d.layers == layers]
    return replace(LAYERS_FRAME, categories=tuple(name for name, _ in layers), series=(dense, *series))


def framed(details: Sequence[Detail]) -> list[Lines]:
    """The charts of these settings; those for which no setting has figures are left out."""
    charts = []
    for key, frame in FRAMES.items():
        series = [
            replace(part, name=f"{part.name}: {d.name}", hue=i)
            for i, d in enumerate(details)
            for part in d.parts.get(key, ())
        ]
        if series:
            stages = {d.stages for d in details if key in d.parts}
            breaks = stages.pop() if len(stages) == 1 and frame.x is EPOCH else ()
            charts.append(replace(frame, series=tuple(series), breaks=breaks))
    return charts


def _kept(runs: Sequence[Run]) -> tuple[tuple[tuple[str, int], ...], tuple[Series, ...]]:
    """Mean, least and most units of each layer that a group owns, over the runs with the first one's layers."""
    tables = [[row for row in run.layers if row.group] for run in runs if run.layers]
    if not tables or not tables[0]:
        return (), ()
    layers = tuple((row.layer, row.units_before) for row in tables[0])
    kept = [[row.units_after for row in t] for t in tables if tuple((r.layer, r.units_before) for r in t) == layers]
    columns = list(zip(*kept, strict=True))
    low, high = tuple(float(min(c)) for c in columns), tuple(float(max(c)) for c in columns)
    return layers, (Series("", (), tuple(sum(c) / len(c) for c in columns), low, high, (len(kept),) * len(columns)),)


def _iterations(runs: Sequence[Run], figure: str, name: str) -> Series:
    rows = [[i[figure] for i in run.iterations] for run in runs if run.iterations]
    return Series(name, (), tuple(_mean(r[k] for r in rows if k < len(r)) for k in range(max(map(len, rows)))))


def _aligned(runs: Sequence[Run]) -> tuple[list[list[CurveRow]], tuple[tuple[str, int], ...]]:
    """Rows of all runs for each epoch of each stage, in order; and where the stages begin."""
    cells: dict[tuple[str, int], list[CurveRow]] = {}
    for run in runs:
        for row in run.curves:
            cells.setdefault((row.stage, row.epoch), []).append(row)
    order = list(dict.fromkeys(stage for stage, _ in cells))
    keys = sorted(cells, key=lambda key: (order.index(key[0]), key[1]))
    starts: dict[str, int] = {}
    for place, (stage, _) in enumerate(keys, 1):
        starts.setdefault(stage, place)
    return [cells[key] for key in keys], tuple(starts.items())


def _epochs(curves: Sequence[Sequence[CurveRow]], figure: Callable[[CurveRow], float | None], name: str) -> Series:
    return Series(name, (), tuple(_mean(figure(row) for row in rows) for rows in curves), marks=len(curves) <= 30)


def _mean(values: Iterable[float | None]) -> float:
    finite = [v for v in values if v is not None]
    return sum(finite) / len(finite) if finite else math.nan
