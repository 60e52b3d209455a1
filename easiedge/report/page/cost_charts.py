"""Accuracy against what the network still costs: MACs, parameters, milliseconds; the mean over the seeds of each setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from easiedge.report.page.chart import MOST_SERIES, Axis, Lines, Series
from easiedge.report.page.front import pareto_front
from easiedge.report.page.labels import without_scope
from easiedge.report.page.sections import Section
from easiedge.report.page.settings import Setting
from easiedge.report.paired import spread
from easiedge.report.runs.run import Run

ACCURACY = Axis("test accuracy [%]", "percent", least=0.0, most=1.0)
MOST_INTERVALS = 60
Cost = Callable[[Run], float]


def cost_charts(section: Section) -> list[Lines]:
    """One chart for MACs, one for parameters, one for each device on which milliseconds are known."""
    charts: list[Lines] = []
    if not section.settings:
        return charts
    for quantity, label in (("macs", "MACs"), ("params", "parameters")):
        charts.append(
            _chart(
                section, section.settings, f"accuracy-{quantity}", f"Accuracy against {label}",
                Axis(f"{label} left [% of the dense network]", "percent"), _left(quantity), 1.0,
            )
        )  # fmt: skip
    devices: dict[str, list[Setting]] = {}
    for setting in section.settings:
        places = {_device(run) if "latency" in run.metrics else None for run in setting.runs}
        device = places.pop() if len(places) == 1 else None  # milliseconds of two machines have no mean
        if device is not None:
            devices.setdefault(device, []).append(setting)
    for number, (device, settings) in enumerate(devices.items()):
        charts.append(
            _chart(
                section, settings, f"accuracy-latency{number or ''}", f"Accuracy against latency on {device}",
                Axis("latency [ms per image]"), milliseconds, None,
            )
        )  # fmt: skip
    charts.extend(_engine_charts(section))
    return charts


def _engine_charts(section: Section) -> Iterable[Lines]:
    """One for each engine, number of threads and machine in which ``easiedge bench`` timed runs with one image at a time."""
    timed: dict[tuple[str, int, str], list[Setting]] = {}
    for setting in section.settings:
        for each in setting.runs[0].engines:
            place = (each.engine, each.threads, each.machine)
            if all(not math.isnan(engine_milliseconds(run, place)) for run in setting.runs):
                members = timed.setdefault(place, [])
                if not members or members[-1] is not setting:
                    members.append(setting)
    for number, (place, settings) in enumerate(timed.items()):
        engine, threads, machine = place
        yield _chart(
            section, settings, f"accuracy-engine{number or ''}", f"Accuracy against latency in {engine}",
            Axis(f"latency [ms per image], {threads} thread(s) of {machine.partition(',')[0]}"), lambda run, place=place: engine_milliseconds(run, place), None,  # type: ignore[misc]
        )  # fmt: skip


def engine_milliseconds(run: Run, place: tuple[str, int, str]) -> float:
    """Per image, one at a time, in float32, in an engine with so many threads on a machine; NaN where it was not measured."""
    for each in run.engines:
        if (each.engine, each.threads, each.machine) == place and (each.batch, each.precision) == (1, "float32"):
            return each.ms
    return math.nan


def milliseconds(run: Run) -> float:
    """Per image on the run's device, measured where it was, else predicted; NaN where it is not known."""
    latency = run.metrics.get("latency", {})
    return float(latency.get("measured_ms", latency.get("predicted_ms", math.nan)))


def _device(run: Run) -> str:
    latency = run.metrics["latency"]
    threads = f", {latency['threads']} threads" if latency.get("threads") is not None else ""
    return f"{latency['machine']}{threads}"


def _left(quantity: str) -> Cost:
    def share(run: Run) -> float:
        return 1.0 - (run.removed(quantity) or 0.0)

    return share


def _chart(
    section: Section, settings: Sequence[Setting], key: str, title: str, axis: Axis, cost: Cost, whole: float | None
) -> Lines:
    wanted = {id(s) for s in settings}
    groups = {name: [s for s in members if id(s) in wanted] for name, members in section.series.items()}
    groups = {name: members for name, members in groups.items() if members}
    joined = len(groups) <= MOST_SERIES
    if not joined:  # a colour for each method and scope
        groups = {}
        for setting in settings:
            groups.setdefault(f"{setting.method}, {setting.scope}".rstrip(", "), []).append(setting)
    series = [*_dense(section, whole), *_series(groups, cost, joined, len(settings) <= MOST_INTERVALS)]
    costs = [s.mean(cost) for s in settings]
    means = [s.accuracy.mean for s in settings]
    front = pareto_front(costs, means)
    line = Series(
        "Pareto front of the means", tuple(costs[i] for i in front), tuple(means[i] for i in front), hue=-1, marks=False, wide=True
    )  # fmt: skip
    note = (
        "" if joined else f"{len(settings):,} settings, too many for a line each: one colour for each method and scope."
    )
    return Lines(f"{section.number}-{key}", f"{title}: {section.title}", axis, ACCURACY, (line, *series), note=note)


def _dense(section: Section, whole: float | None) -> Iterable[Series]:
    """The dense network, where all of the cost is left; the same weights in many runs count once a seed."""
    if whole is None:
        return
    by_seed: dict[int, list[float]] = {}
    for run in [*section.dense, *section.runs]:
        by_seed.setdefault(run.seed, []).append(float(run.dense["accuracy"]))
    found = spread([sum(values) / len(values) for values in by_seed.values()])
    yield Series(
        "dense network", (whole,), (found.mean,), _end(found.low), _end(found.high), (found.n,), hue=-1, line=False
    )


def _series(groups: dict[str, list[Setting]], cost: Cost, joined: bool, intervals: bool) -> Iterable[Series]:
    ranked = sorted(groups, key=lambda name: -sum(len(s.runs) for s in groups[name]))
    shown = [name for name in groups if name in ranked[:MOST_SERIES]]
    others = [s for name in ranked[MOST_SERIES:] for s in groups[name]]
    hues: dict[str, int] = {}
    if others:
        yield _points(f"{len(others):,} other settings", others, cost, False, False, -1)
    for name in shown:
        members = groups[name]
        scope = members[0].scope
        hue = hues.setdefault(without_scope(name, scope), len(hues))
        yield _points(name, members, cost, joined, intervals, hue, dashed=scope == "layerwise")


def _points(
    name: str, settings: Sequence[Setting], cost: Cost, line: bool, intervals: bool, hue: int, dashed: bool = False
) -> Series:
    rows = sorted(((s.mean(cost), s.accuracy) for s in settings), key=lambda row: row[0])
    low = tuple(v for _, a in rows for v in _end(a.low)) if intervals else ()
    high = tuple(v for _, a in rows for v in _end(a.high)) if intervals else ()
    return Series(
        name, tuple(x for x, _ in rows), tuple(a.mean for _, a in rows), low, high, tuple(a.n for _, a in rows),
        hue=hue, dashed=dashed, line=line,
    )  # fmt: skip


def _end(value: float | None) -> tuple[float]:
    return (math.nan if value is None else value,)
