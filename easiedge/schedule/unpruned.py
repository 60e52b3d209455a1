"""The control of every comparison: nothing is removed, so that what training alone adds to the dense network is seen."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from easiedge.schedule.outcome import Outcome, Task
from easiedge.scoring.batches import inputs_of
from easiedge.surgery.shrink import shrink
from easiedge.unit import FilterMask


@dataclass(frozen=True)
class Unpruned:
    """Keeps every unit, whatever the budget; the closing fine-tuning follows as for any other schedule."""

    @property
    def training_epochs(self) -> int:
        """None."""
        return 0

    def __call__(self, task: Task) -> Outcome:
        """The network as it is."""
        full = FilterMask.full(task.groups)
        network = copy.deepcopy(task.network)
        compact = shrink(network, task.groups, full, inputs_of(task.calibration[0])[:2])
        return Outcome(network, task.groups, full, full, compact)
