"""Iterative pruning: score, remove a share, fine-tune, repeat (Molchanov et al., ICLR 2017)."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, replace

from torch import nn

from easiedge.errors import EasiEdgeError
from easiedge.model.cost import network_cost
from easiedge.model.restrict import restrict, widen
from easiedge.projection.budget import limits, warn_of_collapse
from easiedge.projection.project import choose
from easiedge.schedule.outcome import Outcome, Task
from easiedge.scoring.batches import inputs_of
from easiedge.scoring.score import accepts, score
from easiedge.unit import FilterMask


@dataclass(frozen=True)
class Iterative:
    """Reach the budget in equal steps with training in between.

    Attributes:
        steps: removals in all.
        epochs: of fine-tuning between two removals.
        tolerance: points of validation accuracy (0.03 is 3 points) that may be lost after fine-tuning; when a step loses
            more, the step before it is kept and the budget is not met.
    """

    steps: int = 10
    epochs: int = 1
    tolerance: float = 1.0

    def __post_init__(self) -> None:
        """Refuse numbers of steps and epochs that mean nothing."""
        if self.steps < 1 or self.epochs < 0 or not 0.0 <= self.tolerance <= 1.0:
            raise EasiEdgeError("schedule iterative needs steps >= 1, epochs >= 0 and tolerance in [0, 1]")

    def __call__(self, task: Task) -> Outcome:
        """Prune ``task.network`` step by step; scores are taken at the current network, against the dense one."""
        chosen, seconds = task.selection, {"score": 0.0, "finetune": 0.0}
        cost = network_cost(task.network, task.groups, inputs_of(task.calibration[0])[:2])
        limits(task.budget, task.groups, cost, chosen.floors)
        dense_accuracy = task.validate(task.network)
        current: nn.Module = copy.deepcopy(task.network)
        last: Outcome | None = None
        mask = FilterMask.full(task.groups)
        for step in range(1, self.steps + 1):
            start = time.perf_counter()
            here = restrict(task.groups, mask)
            options = dict(chosen.options) | (
                {"tutor": task.network.eval()} if accepts(chosen.criterion, "tutor") else {}
            )
            scores = score(current, here, task.calibration, chosen.criterion, **options)
            bounds = limits(task.budget.scaled(step / self.steps), task.groups, cost, chosen.floors)
            within = choose(scores, here, bounds, chosen.scope)
            fitted, compact = chosen.remove(current, here, within, task.calibration)
            seconds["score"] += time.perf_counter() - start
            outcome = Outcome(fitted, here, within, widen(within, mask), compact, seconds=seconds)
            mask = outcome.mask
            if step == self.steps:
                warn_of_collapse(mask.kept(), task.groups)
                return outcome
            start = time.perf_counter()
            tuned = copy.deepcopy(compact)
            if self.epochs:
                task.train(tuned, epochs=self.epochs, stage=f"iteration {step}/{self.steps}", keep_start=True)
            seconds["finetune"] += time.perf_counter() - start
            accuracy = task.validate(tuned)
            task.note(
                f"iteration {step}/{self.steps}: {mask.share_removed():.1%} of the units gone, validation accuracy {accuracy:.2%}"
            )
            if dense_accuracy - accuracy > self.tolerance:
                task.note(
                    f"stopped: {dense_accuracy - accuracy:.2%} of validation accuracy lost, over the tolerance of {self.tolerance:.2%}"
                )
                return replace(last or self._nothing(task), reached=False)
            last, current = outcome, tuned
        raise AssertionError("unreachable")

    @staticmethod
    def _nothing(task: Task) -> Outcome:
        full = FilterMask.full(task.groups)
        network, compact = task.selection.remove(task.network, task.groups, full, task.calibration)
        return Outcome(network, task.groups, full, full, compact)
