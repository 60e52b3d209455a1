"""The main method: ADMM alternates training with the global pruning subproblem, then the units are removed for real."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

from torch import nn

from easiedge.admm import ConstantRho, RhoPolicy, Stopping
from easiedge.errors import EasiEdgeError
from easiedge.model.gates import masked
from easiedge.schedule.outcome import Outcome, Task
from easiedge.training.admm_callback import ADMMCallback
from easiedge.unit import FilterMask


@dataclass(frozen=True)
class Admm:
    """Performance-improving subproblem (W-step, training) and global pruning subproblem (Z-step, selection) in turns.

    Groups that collapse are found at the first choice, before any training, and at the last: training drives to zero what the
    first choice removes, so what has collapsed there stays so (LeNet on digits, 90 and 96 % of the filters, two seeds each: the
    same layer first and last), and a floor in the next attempt costs less than the hours.

    Attributes:
        iterations: at most so many W- and Z-steps.
        epochs_per_iteration: training epochs of one W-step.
        rho: strength of the penalty at the start.
        policy: how rho changes; constant by default.
        stopping: when to stop before that: by default when the mask has settled and the primal residual is small.
        chunk: share that goes between two expansions of the Z-steps' selection; coarser than a single selection's, since
            it is made again in every iteration.
        readjust: of the joint form in the Z-steps: 0, since training follows each choice (measured: experiments/main_job).
        refit: draw kept weights to the compensated ones (where the selection compensates), and not only removed ones to zero.
    """

    iterations: int = 3
    epochs_per_iteration: int = 1
    rho: float = 1.0
    policy: RhoPolicy | None = None
    stopping: Stopping | None = None
    chunk: float = 0.2
    readjust: float = 0.0
    refit: bool = True

    def __post_init__(self) -> None:
        """Refuse a loop without iterations."""
        if self.iterations < 1 or self.epochs_per_iteration < 1:
            raise EasiEdgeError("schedule admm needs iterations >= 1 and epochs_per_iteration >= 1")

    @property
    def training_epochs(self) -> int:
        """All W-steps, where no stopping rule ends them before."""
        return self.iterations * self.epochs_per_iteration

    def __call__(self, task: Task) -> Outcome:
        """Prune ``task.network`` to the budget."""
        start, selecting = time.perf_counter(), 0.0
        guard, told = task.selection.guard, None
        network = copy.deepcopy(task.network)

        def choose(current: nn.Module) -> FilterMask:
            nonlocal selecting, told
            begun = time.perf_counter()
            mask = task.selection.mask(
                current,
                task.groups,
                task.calibration,
                task.budget,
                tutor=task.network,
                chunk=self.chunk,
                readjust=self.readjust,
                guarded=False,
            )
            if told is None:
                told = guard.check(mask, task.groups)
            selecting += time.perf_counter() - begun
            return mask

        def masked_accuracy(current: nn.Module, mask: FilterMask) -> float:
            with masked(current, task.groups, mask):
                return task.validate(current)

        def refit(current: nn.Module, mask: FilterMask) -> nn.Module:
            nonlocal selecting
            begun = time.perf_counter()
            fitted = task.selection.remove(current, task.groups, mask, task.calibration)[0]
            selecting += time.perf_counter() - begun
            return fitted

        callback = ADMMCallback(
            task.groups,
            choose,
            network=network,
            rho=self.rho,
            policy=self.policy or ConstantRho(),
            epochs_per_iteration=self.epochs_per_iteration,
            stopping=self.stopping or Stopping(),
            masked_accuracy=masked_accuracy,
            refit=refit if self.refit and task.selection.compensation else None,
        )
        task.train(
            network,
            recipe="admm",
            epochs=self.training_epochs,
            stage="ADMM",
            callbacks=[callback],
            keep_best=False,
        )
        mask = callback.mask
        guard.check(mask, task.groups, told or frozenset())
        begun = time.perf_counter()
        fitted, compact = task.selection.remove(network, task.groups, mask, task.calibration)
        selecting += time.perf_counter() - begun
        seconds = {"score": selecting, "admm": time.perf_counter() - start - selecting}
        return Outcome(fitted, task.groups, mask, mask, compact, callback.records, seconds=seconds)
