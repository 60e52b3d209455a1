"""Accuracy against each number of the configuration that varies between otherwise equal settings."""

from __future__ import annotations

import math

from easiedge.report.page.chart import MOST_SERIES, Axis, Lines, Series
from easiedge.report.page.cost_charts import ACCURACY
from easiedge.report.page.influence import Influence, influences, value_of
from easiedge.report.page.labels import setting_labels
from easiedge.report.page.sections import Section
from easiedge.report.page.settings import Setting

MOST_CHARTS = 8


def influence_charts(section: Section) -> list[Lines]:
    """At most eight charts, of the names with most settings."""
    return [_chart(section, influence, i) for i, influence in enumerate(influences(section.settings)[:MOST_CHARTS])]


def _chart(section: Section, influence: Influence, number: int) -> Lines:
    shown = sorted(influence.families, key=lambda f: -sum(len(s.runs) for s in f))[:MOST_SERIES]
    bare = [Setting(f[0].without(influence.name, *influence.along), f[0].runs) for f in shown]
    names = setting_labels(bare)
    series = []
    for hue, (family, setting) in enumerate(zip(shown, bare, strict=True)):
        spreads = [s.accuracy for s in family]
        series.append(
            Series(
                names[setting.key], tuple(value_of(s, influence.name) for s in family), tuple(s.mean for s in spreads),
                tuple(math.nan if s.low is None else s.low for s in spreads),
                tuple(math.nan if s.high is None else s.high for s in spreads), tuple(s.n for s in spreads),
                hue=hue, dashed=setting.scope == "layerwise",
            )
        )  # fmt: skip
    values = [x for s in series for x in s.x]
    log = min(values) > 0 and max(values) / min(values) >= 50
    notes = []
    if influence.along:
        notes.append(
            f"changes together with it, so that the effects cannot be told apart: {', '.join(influence.along)}."
        )
    if len(influence.families) > len(shown):
        notes.append(
            f"{len(shown)} of {len(influence.families):,} families of otherwise equal settings, those with most runs."
        )
    return Lines(
        f"{section.number}-influence-{number}", f"Accuracy against {influence.name}: {section.title}",
        Axis(influence.name, log=log), ACCURACY, tuple(series), note=" ".join(notes),
    )  # fmt: skip
