"""Reduce and reuse, layer after layer (Polyak & Wolf, *Channel-level Acceleration of Deep Face Representations*, IEEE Access 2015)."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.model.cost import network_cost
from easiedge.model.restrict import restrict, widen
from easiedge.plain_values import is_number, is_whole
from easiedge.projection.budget import limits
from easiedge.projection.project import choose
from easiedge.schedule.outcome import Outcome, Task
from easiedge.scoring.batches import inputs_of
from easiedge.surgery.reduced_channels import reused
from easiedge.surgery.shrink import shrink
from easiedge.unit import FilterMask

MOST = 10**6


@dataclass(frozen=True)
class ReduceAndReuse:
    """Layers lose units one after the other, from the input on; what they said is put together from the units that stay.

    How many units each layer loses is decided at the dense network by the selection's scope; which ones when it is the layer's turn, in
    the network of that moment.

    Attributes:
        epochs: of training in all, spread evenly over the layers; the closing fine-tuning follows the last one.
        ridge: of the map from the units that stay to those that go, relative to their mean square.
    """

    epochs: int = 3
    ridge: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        if not is_whole(self.epochs) or not 0 <= self.epochs <= MOST:
            raise EasiEdgeError(f"schedule.epochs={self.epochs} of reduce_and_reuse must be a whole number from 0")
        if not is_number(self.ridge) or not 0.0 < self.ridge < math.inf:
            raise EasiEdgeError(f"schedule.ridge={self.ridge} of reduce_and_reuse must be a finite number above 0")

    @property
    def training_epochs(self) -> int:
        """Between the layers."""
        return self.epochs

    def __call__(self, task: Task) -> Outcome:
        """Prune ``task.network`` layer by layer; its own refit takes the place of the selection's compensation."""
        chosen, seconds = task.selection, {"score": 0.0, "finetune": 0.0}
        example = inputs_of(task.calibration[0])[:2]
        cost = network_cost(task.network, task.groups, example, task.budget, chosen.latency)
        bounds = limits(task.budget, task.groups, cost, chosen.floors)
        start = time.perf_counter()
        first = chosen.scorer(task.network, task.groups, task.calibration, chosen.criterion, **chosen.options)
        kept = choose(first, task.groups, bounds, chosen.scope, chosen.ranking).kept()
        current: nn.Module = copy.deepcopy(task.network)
        mask, trained = FilterMask.full(task.groups), 0
        for number, group in enumerate(task.groups, 1):
            here = restrict(task.groups, mask)
            own = next(g for g in here if g.name == group.name)
            scores = chosen.scorer(current, [own], task.calibration, chosen.criterion, **chosen.options).values[
                own.name
            ]
            within = FilterMask({**FilterMask.full(here).keep, own.name: _highest(scores, kept[own.name])})
            fitted = reused(current, here, within, task.calibration, self.ridge)
            compact = shrink(fitted, here, within, example)
            mask = widen(within, mask)
            seconds["score"] += time.perf_counter() - start
            task.note(
                f"{group.name}: {kept[group.name]} of {group.size} units stay ({number} of {len(task.groups)} layers)"
            )
            if number == len(task.groups):
                break
            due = self.epochs * number // len(task.groups)
            tuned = copy.deepcopy(compact)
            if due > trained:
                found = task.train(tuned, epochs=due - trained, stage=f"after {group.name}", keep_start=True)
                seconds["finetune"] += found.seconds
            current, trained = tuned, due
            start = time.perf_counter()
        chosen.guard.check(mask, task.groups)
        return Outcome(fitted, here, within, mask, compact, seconds=seconds)


def _highest(scores: Tensor, count: int) -> Tensor:
    """The ``count`` highest, bool in the shape of ``scores``; among equal ones the first stays."""
    keep = torch.zeros(len(scores), dtype=torch.bool)
    keep[scores.argsort(descending=True, stable=True)[:count]] = True
    return keep
