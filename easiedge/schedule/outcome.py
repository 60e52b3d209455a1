"""What a schedule is given and what it hands on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import fx, nn

from easiedge.schedule.selection import Selection
from easiedge.unit import Budget, FilterGroup, FilterMask


@dataclass(frozen=True, eq=False)
class Task:
    """A network to prune, and everything that schedules need for it.

    Attributes:
        network: the trained dense network; schedules work on copies.
        groups: the units that compete.
        budget: what must go in the end.
        selection: how units are chosen and removed.
        calibration: batches (inputs, targets) of training images without augmentation.
        train: trains a network in place: ``train(network, epochs=, stage=, callbacks=, tutor=, keep_best=)``; what it returns has ``seconds``.
        validate: accuracy of a network on validation data, in [0, 1].
        note: called with one line about the progress.
    """

    network: nn.Module
    groups: Sequence[FilterGroup]
    budget: Budget
    selection: Selection
    calibration: Sequence[Any]
    train: Callable[..., Any]
    validate: Callable[[nn.Module], float]
    note: Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is left after removal, before the last fine-tuning.

    Attributes:
        network: full-size network whose masked output is that of ``compact``.
        groups: the groups of ``network``.
        within: mask over ``groups`` that, applied to ``network``, gives ``compact``.
        mask: mask over the units of the dense network.
        compact: the smaller network.
        iterations: one record per ADMM iteration: primal_residual, dual_residual, rho, flipped, masked_accuracy.
        levels: one record per removal of an iterative schedule: filters_removed, params, macs, accuracy_before and accuracy (validation, before and
            after fine-tuning; None where the closing fine-tuning follows), and whether it was kept.
        level_networks: of each level, the network before and after its fine-tuning (None as above), where they were asked for.
        reached: whether the budget was met; False when a schedule stopped early to keep accuracy.
        seconds: time spent by part.
        epochs_left: of the schedule's ``training_epochs``, those that it did not need: the closing fine-tuning takes them, so that all
            schedules train equally long.
    """

    network: nn.Module
    groups: Sequence[FilterGroup]
    within: FilterMask
    mask: FilterMask
    compact: fx.GraphModule
    iterations: Sequence[dict[str, Any]] = ()
    levels: Sequence[dict[str, Any]] = ()
    level_networks: Sequence[tuple[nn.Module, nn.Module | None]] = ()
    reached: bool = True
    seconds: dict[str, float] = field(default_factory=dict)
    epochs_left: int = 0


class Schedule(Protocol):
    """Who calls scoring, projection and training, when."""

    @property
    def training_epochs(self) -> int:
        """Epochs it trains for at most, before the closing fine-tuning: what makes schedules comparable."""
        ...

    def __call__(self, task: Task) -> Outcome:
        """Prune ``task.network`` to the budget."""
        ...
