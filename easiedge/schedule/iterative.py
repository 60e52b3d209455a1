"""Iterative pruning: score, remove a share, fine-tune, repeat (Molchanov et al., ICLR 2017)."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from easiedge.errors import EasiEdgeError
from easiedge.model.cost import network_cost
from easiedge.model.count import count
from easiedge.model.restrict import restrict, widen
from easiedge.plain_values import is_number, is_whole
from easiedge.processes import told
from easiedge.projection.budget import limits
from easiedge.projection.project import choose
from easiedge.schedule.outcome import Outcome, Task
from easiedge.scoring.batches import inputs_of
from easiedge.scoring.reference import held_against
from easiedge.surgery.measured_latency import held, measuring
from easiedge.surgery.shrink import shrink
from easiedge.unit import FilterMask

SLACK = 1e-9  # a drop of exactly the tolerance is one of 0.05, whatever floating point makes of 0.53 - 0.48


@dataclass(frozen=True)
class Iterative:
    """Reach the budget in equal steps with training in between.

    Attributes:
        steps: removals in all.
        epochs: of fine-tuning between two removals.
        tolerance: points of validation accuracy (0.03 is 3 points) that may be lost after fine-tuning; when a step loses
            more, the network of the step before it is kept, tuned as it was, and the budget is not met.  1 never stops.
        test_levels: keep the networks of all levels, so that the run's one reading of the test set covers them.
    """

    steps: int = 10
    epochs: int = 1
    tolerance: float = 1.0
    test_levels: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers of steps and epochs that mean nothing."""
        whole = is_whole(self.steps) and is_whole(self.epochs)
        if (
            not whole
            or self.steps < 1
            or self.epochs < 0
            or not is_number(self.tolerance)
            or not 0.0 <= self.tolerance <= 1.0
        ):
            raise EasiEdgeError("schedule iterative needs steps >= 1, epochs >= 0 and tolerance in [0, 1]")

    @property
    def training_epochs(self) -> int:
        """Between removals; after the last one too where it may be taken back."""
        return (self.steps if self.tolerance < 1.0 else self.steps - 1) * self.epochs

    def __call__(self, task: Task) -> Outcome:
        """Prune ``task.network`` step by step; scores are taken at the current network."""
        chosen, seconds = task.selection, {"score": 0.0, "finetune": 0.0}
        example = inputs_of(task.calibration[0])[:2]
        cost = network_cost(task.network, task.groups, example, task.budget, chosen.latency)
        limits(task.budget, task.groups, cost, chosen.floors)
        least = task.validate(task.network) - self.tolerance - SLACK
        current: nn.Module = copy.deepcopy(task.network)
        mask, warned = FilterMask.full(task.groups), frozenset[str]()
        levels: list[dict[str, Any]] = []
        networks: list[tuple[nn.Module, nn.Module | None]] = []
        for step in range(1, self.steps + 1):
            start = time.perf_counter()
            here = restrict(task.groups, mask)
            options = {**chosen.options, **held_against(chosen.criterion, task.network.eval, chosen.first_order)}
            scores = chosen.scorer(current, here, task.calibration, chosen.criterion, **options)
            bounds = limits(task.budget, task.groups, cost, chosen.floors, step / self.steps)
            within = choose(scores, here, bounds, chosen.scope, chosen.ranking)
            if step == self.steps and chosen.clock is not None and bounds.has_latency:
                measured = measuring(current, here, example, chosen.clock)
                within = held(
                    within, bounds, partial(choose, scores, here, scope=chosen.scope, ranking=chosen.ranking), measured
                )
            within = FilterMask(told(within.keep))
            reached = widen(within, mask)
            if self.tolerance >= 1.0:  # no step is taken back, so what has collapsed stays so
                warned = chosen.guard.check(reached, task.groups, warned)
            fitted, compact = chosen.remove(current, here, within, task.calibration)
            seconds["score"] += time.perf_counter() - start
            levels.append(
                {
                    "filters_removed": reached.share_removed(),
                    **count(compact, example),
                    "accuracy_before": task.validate(compact),
                    "accuracy": None,
                    "kept": True,
                }
            )
            if step == self.steps and self.tolerance >= 1.0:  # nothing to check: the closing fine-tuning follows
                networks += [(compact, None)] if self.test_levels else []
                return Outcome(
                    fitted, here, within, reached, compact, levels=levels, level_networks=networks, seconds=seconds
                )
            tuned = copy.deepcopy(compact)
            if self.epochs:
                stage = f"iteration {step}/{self.steps}"
                seconds["finetune"] += task.train(tuned, epochs=self.epochs, stage=stage, keep_start=True).seconds
            networks += [(compact, tuned)] if self.test_levels else []
            accuracy = task.validate(tuned)
            levels[-1] |= {"accuracy": accuracy, "kept": accuracy >= least}
            task.note(
                f"iteration {step}/{self.steps}: {reached.share_removed():.1%} of the units gone, "
                f"validation accuracy {accuracy:.2%}"
            )
            if accuracy < least:
                task.note(f"stopped: more than the tolerance of {self.tolerance:.2%} was lost; the step before stays")
                return self._settled(task, current, mask, levels, networks, seconds, reached=False)
            warned = chosen.guard.check(reached, task.groups, warned)
            current, mask = tuned, reached
        return self._settled(task, current, mask, levels, networks, seconds, reached=True)

    @staticmethod
    def _settled(
        task: Task,
        current: nn.Module,
        mask: FilterMask,
        levels: list[dict[str, Any]],
        networks: list[tuple[nn.Module, nn.Module | None]],
        seconds: dict[str, float],
        *,
        reached: bool,
    ) -> Outcome:
        """The outcome of a network that is already small and tuned: nothing is left to remove from it."""
        here = restrict(task.groups, mask)
        full = FilterMask.full(here)
        compact = shrink(current, here, full, inputs_of(task.calibration[0])[:2])
        return Outcome(
            current, here, full, mask, compact, levels=levels, level_networks=networks, reached=reached, seconds=seconds
        )
