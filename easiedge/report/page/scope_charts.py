"""Global beside layerwise: the differences as a forest, and the rows of the table below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from easiedge.report.page.chart import Axis, Forest, Series
from easiedge.report.page.labels import without_scope
from easiedge.report.page.scopes import ScopePair
from easiedge.report.page.sections import Section
from easiedge.report.paired import CONFIDENCE

MOST_ROWS = 30


def scope_chart(section: Section, pairs: Sequence[ScopePair]) -> Forest | None:
    """Differences in accuracy with their intervals, at most 30; None without any pair."""
    if not pairs:
        return None
    shown = sorted(pairs, key=lambda p: -p.difference.spread.n)[:MOST_ROWS] if len(pairs) > MOST_ROWS else list(pairs)
    spreads = [p.difference.spread for p in shown]
    note = (
        f"{MOST_ROWS} of {len(pairs):,} pairs, those with most seeds; the table has all."
        if len(pairs) > MOST_ROWS
        else ""
    )
    return Forest(
        f"{section.number}-global-layerwise", f"Global minus layerwise: {section.title}",
        Axis("difference of test accuracy [percentage points], 95 % interval", "percent"),
        tuple(pair_name(section, p) for p in shown),
        (Series("global \N{MINUS SIGN} layerwise", (), tuple(s.mean for s in spreads), _ends(s.low for s in spreads),
                _ends(s.high for s in spreads), tuple(s.n for s in spreads)),),
        tuple(p.corrected is not None and p.corrected < 1 - CONFIDENCE for p in shown), note,
    )  # fmt: skip


def scope_rows(section: Section, pairs: Sequence[ScopePair]) -> list[dict[str, Any]]:
    """What the table shows of each pair; shares and accuracies in [0, 1]."""
    rows = []
    for pair in pairs:
        a, b, d = pair.overall.accuracy, pair.layerwise.accuracy, pair.difference
        rows.append(
            {
                "section": section.title, "setting": pair_name(section, pair), "n": d.spread.n, "overall": a, "layerwise": b, "difference": d.spread,
                "t_p": d.t_p, "corrected": pair.corrected, "wilcoxon_p": d.wilcoxon_p, "wilcoxon_corrected": pair.wilcoxon, "why_not": d.why_not,
                "macs": tuple(1.0 - s.left("macs") for s in (pair.overall, pair.layerwise)),
                "params": tuple(1.0 - s.left("params") for s in (pair.overall, pair.layerwise)),
            }
        )  # fmt: skip
    return rows


def pair_name(section: Section, pair: ScopePair) -> str:
    """The setting's name without the scope."""
    return without_scope(section.labels[pair.overall.key], pair.overall.scope)


def _ends(values: Any) -> tuple[float, ...]:
    return tuple(math.nan if v is None else v for v in values)
