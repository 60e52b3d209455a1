"""When ADMM has done its work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from easiedge.admm.state import Record
from easiedge.errors import TrainingError
from easiedge.plain_values import is_number, is_whole


@dataclass(frozen=True)
class Stopping:
    """Stop when the mask has settled and W agrees with Z, or at the limit.

    Attributes:
        unchanged: the mask must not have changed for this many iterations.
        tolerance: bound on the primal residual; None does not look at it.
        max_iterations: the limit; None leaves it to the trainer.
        flipped: share of the gates that may still flip in an iteration that counts as unchanged.
    """

    unchanged: int = 2
    tolerance: float | None = 1e-2
    max_iterations: int | None = None
    flipped: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a rule that would stop before it starts."""
        counts = (self.unchanged, *(() if self.max_iterations is None else (self.max_iterations,)))
        if self.tolerance is not None and (not is_number(self.tolerance) or self.tolerance < 0):
            raise TrainingError(f"stopping has tolerance={self.tolerance}: give a number from 0, or null")
        if not is_number(self.flipped) or not 0.0 <= self.flipped < 1.0:
            raise TrainingError(f"stopping has flipped={self.flipped}: give a share of the gates in [0, 1)")
        if not all(is_whole(count) and count >= 1 for count in counts):
            raise TrainingError(
                f"stopping has unchanged={self.unchanged}, max_iterations={self.max_iterations}: both must be 1 or more"
            )

    def reason(self, history: Sequence[Record]) -> str | None:
        """Why to stop after these records, or None to go on."""
        recent = [record["flipped"] for record in history[-self.unchanged :]]
        settled = len(recent) == self.unchanged and all(f is not None and f <= self.flipped for f in recent)
        primal = history[-1]["primal_residual"] if history else None
        if settled and (self.tolerance is None or (primal is not None and primal <= self.tolerance)):
            least = "has not changed" if self.flipped == 0 else f"has changed by at most {self.flipped:.2%}"
            bound = (
                "" if self.tolerance is None else f" and the primal residual {primal:.3g} is within {self.tolerance:g}"
            )
            return f"the mask {least} for {self.unchanged} iteration{'s' * (self.unchanged > 1)}{bound}"
        if self.max_iterations is not None and len(history) >= self.max_iterations:
            return f"the limit of {self.max_iterations} iterations is reached"
        return None
