"""One shot: choose, compensate, remove; fine-tuning follows."""

from __future__ import annotations

import time
from dataclasses import dataclass

from easiedge.schedule.outcome import Outcome, Task
from easiedge.unit import FilterMask


@dataclass(frozen=True)
class OneShot:
    """Choose once, with re-expansion in between where the selection says so; no training before the removal."""

    @property
    def training_epochs(self) -> int:
        """None."""
        return 0

    def __call__(self, task: Task) -> Outcome:
        """Prune ``task.network`` to the budget."""
        start = time.perf_counter()

        def progress(done: int, of: int, mask: FilterMask) -> None:
            left = (time.perf_counter() - start) / done * (of - done)
            task.note(f"selection {done}/{of}: {mask.share_removed():.1%} of the units go, {left:.0f} s left")

        mask = task.selection.mask(task.network, task.groups, task.calibration, task.budget, progress=progress)
        fitted, compact = task.selection.remove(task.network, task.groups, mask, task.calibration)
        return Outcome(fitted, task.groups, mask, mask, compact, seconds={"score": time.perf_counter() - start})
