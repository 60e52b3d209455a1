"""From a folder of runs to the folder of a report."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easiedge import __version__
from easiedge.atomic import write_atomically
from easiedge.errors import RunError
from easiedge.report.page.chart import Chart, plain
from easiedge.report.page.collector import collector_paused
from easiedge.report.page.csv_file import csv_text, rows_text
from easiedge.report.page.differences import differences
from easiedge.report.page.head import head_of
from easiedge.report.page.links import link, shown
from easiedge.report.page.page import page_text
from easiedge.report.page.painter import Painter
from easiedge.report.page.section_page import section_page
from easiedge.report.page.sections import sections_of
from easiedge.report.page.sensitivity import Sensitivity, cost_sentence, read_sensitivity, sensitivity_charts
from easiedge.report.page.table import columns_of, packed
from easiedge.report.paired import ASSUMPTIONS
from easiedge.report.runs.find import FoundRuns, SkippedRun, find_runs

MOST_DIFFERENCES = 150


@dataclass(frozen=True)
class Report:
    """What was written, and from what.

    Attributes:
        page: ``index.html``.
        runs: how many runs it shows.
        sensitivities: how many analyses of sensitivity.
        skipped: what is there but could not be used.
        pictures: PNG and SVG files.
    """

    page: Path
    runs: int
    sensitivities: int
    skipped: tuple[SkippedRun, ...]
    pictures: tuple[Path, ...]


def write_report(root: Path, out: Path | None = None, title: str | None = None) -> Report:
    """``index.html``, ``runs.csv``, ``settings.csv``, ``global_layerwise.csv`` and ``pictures/`` in ``out`` (``root/report``).

    Raises:
        RunError: ``root`` is no folder, or holds nothing that could be shown.
        EasiEdgeError: ``out`` cannot be written.
    """
    with Painter() as painter, collector_paused():
        return _write_report(Path(root), out, title, painter)


def _write_report(root: Path, out: Path | None, title: str | None, painter: Painter) -> Report:
    found = find_runs(root)
    sensitivities, unread = _sensitivities(found.sensitivities)
    skipped = (*found.skipped, *unread)
    if not found.runs and not sensitivities:
        raise RunError(_nothing(found, skipped))
    out = _writable(root / "report" if out is None else Path(out))
    sections = sections_of(found.runs)
    settings = sum(len(s.settings) for s in sections)
    pages = [section_page(section, settings) for section in sections]
    columns = columns_of(found.runs, [shown(run.directory, root) for run in found.runs])
    charts: dict[str, Chart] = {key: chart for page in pages for key, chart in page.charts.items()}
    listed = []
    for number, sensitivity in enumerate(sensitivities, 1):
        both = sensitivity_charts(sensitivity, number)
        charts |= {c.key: c for c in both}
        listed.append(_listed(sensitivity, [c.key for c in both], root, out))
    names = differences([run for run in found.runs if run.pruned is not None] or found.runs)
    context = {
        **head_of(found, skipped, sections, out, title), "sections": [page.shown for page in pages], "sensitivities": listed,
        "differences": names[:MOST_DIFFERENCES], "differences_more": max(len(names) - MOST_DIFFERENCES, 0), "count": len(found.runs),
        "version": __version__, "assumptions": ASSUMPTIONS,
    }  # fmt: skip
    data = {
        "charts": plain(charts), "sections": [page.details for page in pages],
        "table": {"columns": packed(columns), "links": [link(run.directory, out) for run in found.runs]},
    }  # fmt: skip
    write_atomically(out / "runs.csv", csv_text(columns))
    for name, rows in (("settings.csv", [r for p in pages for r in p.rows]), ("global_layerwise.csv", [r for p in pages for r in p.pairs])):  # fmt: skip
        if rows:
            write_atomically(out / name, rows_text(rows))
        else:
            (out / name).unlink(missing_ok=True)  # of an earlier page: a table without rows has no columns
    pictures = painter.draw(
        [*(c for page in pages for c in page.pictures), *(charts[k] for s in listed for k in s["charts"])],
        out / "pictures",
    )
    write_atomically(out / "index.html", page_text(context, data))
    return Report(out / "index.html", len(found.runs), len(sensitivities), skipped, tuple(pictures))


def _writable(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            return out
    except OSError as error:
        raise RunError(
            f"cannot write the report to {out} ({error.strerror or error}): choose another folder with --out"
        ) from error


def _sensitivities(paths: Sequence[Path]) -> tuple[list[Sensitivity], list[SkippedRun]]:
    read, unread = [], []
    for path in paths:
        try:
            read.append(read_sensitivity(path))
        except RunError as error:
            unread.append(SkippedRun(path, str(error)))
    return read, unread


def _listed(found: Sensitivity, keys: list[str], root: Path, out: Path) -> dict[str, Any]:
    return {
        "title": f"{found.model} on {found.data}", "charts": keys, "cost": cost_sentence(found),
        "line": f"Units go in the order of {found.criterion}; seed {found.seed}; {found.split} split; dense accuracy {100 * found.dense:.2f} %.",
        "link": link(found.path, out), "name": shown(found.path, root),
    }  # fmt: skip


def _nothing(found: FoundRuns, skipped: Sequence[SkippedRun]) -> str:
    root = os.fsencode(found.root).decode("utf-8", "replace")
    if skipped:
        first = skipped[0]
        where = shown(first.directory, found.root)
        return f"no run below {root} can be read: {len(skipped)} skipped, the first, {where}, because {first.reason}"
    if found.unfinished:
        return f"no run below {root} is finished ({len(found.unfinished)} without metrics.json): wait for one, or start one with easiedge prune"
    return f"there are no runs below {root}: give the folder that holds run directories (with metrics.json), such as runs or multirun"
