"""Why a cell gave nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from easiedge.compare.cell import BROKE, FAILURE


@dataclass(frozen=True)
class Failure:
    """A cell without figures.

    Attributes:
        reason: one sentence.
        broke: it was not the request's fault.
    """

    reason: str
    broke: bool


def failure_of(home: Path) -> Failure:
    """As the cell wrote it down itself, or that it could not."""
    if not home.exists():
        return Failure("it was not started", broke=True)
    path = home / FAILURE
    if not path.exists():
        return Failure("it did not finish", broke=True)
    reason, _, kind = path.read_text(encoding="utf-8").strip().partition("\n")
    return Failure(reason, broke=kind == BROKE)
