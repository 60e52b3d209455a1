"""Run directories read back: `read_run` for one, `find_runs` for all below a folder; strict, and without torch."""

from easiedge.report.runs.find import FoundRuns, SkippedRun, find_runs
from easiedge.report.runs.read import read_run
from easiedge.report.runs.run import CurveRow, Run

__all__ = ["CurveRow", "FoundRuns", "Run", "SkippedRun", "find_runs", "read_run"]
