"""The head of the page: what is here, how much of it, and what was left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from easiedge.report.page.links import shown
from easiedge.report.page.sections import Section
from easiedge.report.page.studies import studies
from easiedge.report.runs.find import FoundRuns, SkippedRun

MOST_LISTED = 300


def head_of(
    found: FoundRuns, skipped: Sequence[SkippedRun], sections: Sequence[Section], out: Path, title: str | None
) -> dict[str, Any]:
    """What the template shows above the sections."""
    runs = found.runs
    seeds = len({run.seed for run in runs})
    facts = [
        ("runs", f"{len(runs):,}"),
        ("settings", f"{sum(len(s.settings) for s in sections):,}"),
        ("seeds", f"{seeds:,}"),
        ("methods", f"{len({run.method for run in runs if run.pruned is not None}):,}"),
        ("skipped", f"{len(skipped):,}"),
    ]
    notes = []
    if len(sections) > 1:
        names = ", ".join(s.title for s in sections[:12]) + (", ..." if len(sections) > 12 else "")
        notes.append(
            f"The runs are of {len(sections)} different pairs of network and data ({names}), which say nothing about each other: "
            "each pair has a section of its own."
        )
    left_out = []
    if skipped:
        rows = [(shown(s.directory, found.root), s.reason) for s in skipped]
        left_out.append(
            (f"{len(rows):,} skipped, because they cannot be read", rows[:MOST_LISTED], max(len(rows) - MOST_LISTED, 0))
        )
    if found.unfinished:
        reason = "no metrics.json: still running, interrupted or failed"
        rows = [(shown(path, found.root), reason) for path in found.unfinished]
        left_out.append((f"{len(rows):,} not finished", rows[:MOST_LISTED], max(len(rows) - MOST_LISTED, 0)))
    return {
        "title": title or _title(sections, len(runs)), "summary": _summary(found, len(skipped)), "facts": facts, "notes": notes,
        "left_out": left_out, "studies": studies(found.comparisons, found.root, out),
    }  # fmt: skip


def _title(sections: Sequence[Section], runs: int) -> str:
    if len(sections) == 1:
        return f"{sections[0].title}: {runs:,} {'run' if runs == 1 else 'runs'}"
    return f"{runs:,} runs on {len(sections)} pairs of network and data" if sections else "Layer sensitivity"


def _summary(found: FoundRuns, skipped: int) -> str:
    runs = len(found.runs)
    parts = [f"{runs:,} {'run is' if runs == 1 else 'runs are'} shown"]
    parts.append(f"{skipped:,} {'was' if skipped == 1 else 'were'} skipped" if skipped else "none was skipped")
    if found.unfinished:
        parts.append(f"{len(found.unfinished):,} {'is' if len(found.unfinished) == 1 else 'are'} not finished")
    return f"Of what lies below {shown(found.root, found.root.parent)}: {', '.join(parts)}."
