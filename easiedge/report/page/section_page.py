"""What the page shows of one section: sentences, tables, and the charts, which the pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from easiedge.report.page.chart import Bars, Chart, Lines, plain
from easiedge.report.page.cost_charts import cost_charts
from easiedge.report.page.details import FRAMES, LAYERS, LAYERS_FRAME, Detail, detail_of, framed, layers_chart
from easiedge.report.page.influence_charts import influence_charts
from easiedge.report.page.scope_charts import scope_chart, scope_rows
from easiedge.report.page.scopes import ScopePair, scope_pairs
from easiedge.report.page.sections import Section
from easiedge.report.paired import SINGLE, seeds_apart

MOST_ROWS = 200  # of a table that is not paged
POINTS = 120_000  # of all curves of a page together


@dataclass(frozen=True, eq=False)
class SectionPage:
    """One section.

    Attributes:
        charts: for the page, by key.
        pictures: charts for files.
        shown: what the template reads.
        details: what the script reads, for the settings that the reader chooses.
        rows: of every setting, for ``settings.csv``.
        pairs: of every pair, for ``global_layerwise.csv``.
    """

    charts: dict[str, Chart]
    pictures: list[Chart]
    shown: dict[str, Any]
    details: dict[str, Any]
    rows: list[dict[str, Any]] = field(repr=False)
    pairs: list[dict[str, Any]] = field(repr=False)


def section_page(section: Section, all_settings: int) -> SectionPage:
    """The section's part of the page; ``all_settings`` of the whole page share the points of curves."""
    costs, pairs = cost_charts(section), scope_pairs(section.settings)
    forest, influence = scope_chart(section, pairs), influence_charts(section)
    most = max(8, min(120, POINTS // max(8 * all_settings, 1)))
    details = [detail_of(s, section.labels[s.key], most) for s in section.settings]
    chosen = _chosen(section, pairs)
    layers = layers_chart([details[i] for i in chosen])
    within: list[Bars | Lines] = [*([layers] if layers else []), *framed([details[i] for i in chosen])]
    pictures: list[Chart] = [replace(c, key=f"{section.number}-{c.key}") for c in within]
    rows, pair_rows = _setting_rows(section), scope_rows(section, pairs)
    charts: list[Chart] = [*costs, *([forest] if forest else []), *influence]
    shown = {
        "number": section.number, "title": section.title, "settings": len(section.settings), "line": _line(section), "notes": _notes(section),
        "cost_charts": [c.key for c in costs], "rows": rows[:MOST_ROWS], "rows_more": max(len(rows) - MOST_ROWS, 0),
        "pairs": pair_rows[:MOST_ROWS], "pairs_more": max(len(pair_rows) - MOST_ROWS, 0), "scope_chart": forest.key if forest else "",
        "detail_keys": [key for key in (LAYERS, *FRAMES) if any(key in d.parts for d in details)], "absent": _absent(details),
        "influence_charts": [c.key for c in influence],
    }  # fmt: skip
    return SectionPage(
        {c.key: c for c in charts}, [*charts, *pictures], shown, _packed(details, chosen), rows, pair_rows
    )


def _chosen(section: Section, pairs: Sequence[ScopePair]) -> list[int]:
    """The settings that show at first: the pair of scopes with most seeds, or the first setting."""
    if not pairs:
        return [0] if section.settings else []
    pair = max(pairs, key=lambda p: p.difference.spread.n)
    place = {s.key: i for i, s in enumerate(section.settings)}
    return [place[pair.overall.key], place[pair.layerwise.key]]


def _packed(details: Sequence[Detail], chosen: Sequence[int]) -> dict[str, Any]:
    architectures = list(dict.fromkeys(d.layers for d in details))
    return {
        "frames": plain({LAYERS: LAYERS_FRAME, **FRAMES}), "architectures": plain(architectures), "chosen": list(chosen),
        "details": [
            {"name": d.name, "layers": architectures.index(d.layers), "parts": plain(d.parts), "stages": plain(d.stages)} for d in details
        ],
    }  # fmt: skip


def _line(section: Section) -> str:
    parts = (
        [f"{_count(len(section.runs), 'pruning run')} in {_count(len(section.settings), 'setting')}"]
        if section.runs
        else []
    )
    if section.dense:
        parts.append(f"{_count(len(section.dense), 'run')} of dense training")
    return f"{' and '.join(parts)}. Runs of one setting differ in nothing but the seed."


def _notes(section: Section) -> list[str]:
    notes = []
    single = sum(len(s.accuracies) == 1 for s in section.settings)
    if single:
        which = (
            "No setting has"
            if single == len(section.settings)
            else f"{_count(single, 'setting')} of {len(section.settings):,} do not have"
        )
        notes.append(f"{which} more than one seed: {SINGLE}.")
    again = sum(len(s.runs) - len(s.accuracies) for s in section.settings)
    if again:
        notes.append(
            f"{_count(again, 'run')} of a setting and seed that is there already: such runs count once, with their mean."
        )
    apart = seeds_apart(
        (run.seed, [run.dense[name] for name in ("accuracy", "params", "macs")]) for run in section.runs
    )
    if apart:
        notes.append(
            f"Runs of {'seed' if len(apart) == 1 else 'seeds'} {', '.join(map(str, apart[:12]))}{', ...' if len(apart) > 12 else ''} did not all start "
            "from the same dense network: what differs between their settings holds that of the networks too."
        )
    return notes


def _absent(details: Sequence[Detail]) -> list[str]:
    lacking = {
        "No run here has layers.csv: units kept in each layer are not known.": LAYERS,
        "No run here went through ADMM: there are no residuals to show.": "admm-residuals",
        "No run here has curves.csv: training curves are not known.": "training-accuracy",
    }
    return [sentence for sentence, key in lacking.items() if details and not any(key in d.parts for d in details)]


def _setting_rows(section: Section) -> list[dict[str, Any]]:
    return [
        {
            "section": section.title, "name": section.labels[s.key], "accuracy": s.accuracy, "macs": s.left("macs"),
            "params": s.left("params"), "filters": s.left("filters"),
        }
        for s in section.settings
    ]  # fmt: skip


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
