"""Why a cell gave nothing: written by the cell, read by the study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from easiedge.atomic import write_atomically
from easiedge.refusal import first_line, wrong_request

FAILURE = "failed.txt"  # the reason in its first line, and BROKE in the second unless the request was wrong
BROKE = "broke while running: run.log says where"


@dataclass(frozen=True)
class Failure:
    """A cell without figures.

    Attributes:
        reason: one sentence.
        broke: it was not the request's fault.
    """

    reason: str
    broke: bool


def write_failure(error: Exception, home: Path) -> None:
    """What ended the cell in ``home``."""
    reason = wrong_request(error) or f"{type(error).__name__}: {first_line(error)}\n{BROKE}"
    write_atomically(home / FAILURE, reason + "\n")


def failure_of(home: Path) -> Failure:
    """As the cell wrote it down itself, or that it could not."""
    if not home.exists():
        return Failure("it was not started", broke=True)
    path = home / FAILURE
    if not path.exists():
        return Failure("it did not finish", broke=True)
    reason, _, kind = path.read_text(encoding="utf-8").strip().partition("\n")
    return Failure(reason, broke=kind == BROKE)
