"""The main method: ADMM alternates training with the global pruning subproblem, then the units are removed for real."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass

from torch import nn

from easiedge.admm import ConstantRho, RhoPolicy, Stopping
from easiedge.errors import EasiEdgeError
from easiedge.plain_values import is_number, is_whole
from easiedge.schedule.decided_way import DecidedWay
from easiedge.schedule.outcome import Outcome, Task
from easiedge.scoring.batches import inputs_of
from easiedge.surgery.shrink import shrink
from easiedge.training.admm_callback import ADMMCallback
from easiedge.training.norm_statistics import renew_norm_statistics
from easiedge.unit import FilterMask

MOST = 10**6  # iterations, or epochs of one
SETTLED = Stopping(unchanged=1, tolerance=None, flipped=0.01)


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
        dual: share of the dual that is kept from one iteration to the next: 1 is plain ADMM, 0 the quadratic penalty alone.
        dual_in_scores: score the network at W + U and not at W. With an L2 magnitude and the whole dual that is classic ADMM's Euclidean projection.
        start: where each W-step starts, from 0, the weights as the last one left them, up to 1, what the Z-step made of them (excluded).
        stopping: when to stop before that: by default as soon as at most 1 % of the gates flip. The mask is settled then, and the epochs that
            are left train the smaller network, faster and with nothing that pulls at its weights.
        chunk: share that goes between two expansions of the Z-steps' selection.
        readjust: of the joint form in the Z-steps; the selection's own by default.  Where units are chosen and refitted by turns, whether it
            or 0 is the better (and which power of the cost) is decided once, in the dense network (`easiedge.surgery.tries`), so that the mask
            settles; elsewhere it is as it is given.
        refit: draw kept weights to the compensated ones (where the selection compensates), and not only removed ones to zero.
    """

    iterations: int = 3
    epochs_per_iteration: int = 1
    rho: float = 0.1
    policy: RhoPolicy | None = None
    dual: float = 0.0
    dual_in_scores: bool = False
    start: float = 0.9
    stopping: Stopping | None = None
    chunk: float = 0.1
    readjust: float | None = None
    refit: bool = True

    def __post_init__(self) -> None:
        """Refuse a loop without iterations, and numbers that mean nothing."""
        for name in ("iterations", "epochs_per_iteration"):
            if not is_whole(value := getattr(self, name)) or not 1 <= value <= MOST:
                raise EasiEdgeError(
                    f"schedule.{name}={value} must be a whole number from 1: schedule admm needs iterations >= 1"
                )
        if not is_number(self.rho) or not 0.0 < self.rho < math.inf:
            raise EasiEdgeError(f"schedule.rho={self.rho} must be a finite number above 0")
        if not is_number(self.chunk) or not 0.0 < self.chunk <= 1.0:
            raise EasiEdgeError(f"schedule.chunk={self.chunk} is outside (0, 1]: give the share between two expansions")
        if self.readjust is not None and not (is_number(self.readjust) and 0.0 <= self.readjust < math.inf):
            raise EasiEdgeError(f"schedule.readjust={self.readjust} must be a finite number from 0, or null")
        if not is_number(self.dual) or not 0.0 <= self.dual <= 1.0:
            raise EasiEdgeError(
                f"schedule.dual={self.dual} is outside [0, 1]: 1 is plain ADMM, 0 the quadratic penalty alone"
            )
        if not is_number(self.start) or not 0.0 <= self.start < 1.0:
            raise EasiEdgeError(
                f"schedule.start={self.start} is outside [0, 1): 0 leaves the weights as they are, 0.9 is near the pruned ones"
            )
        for name in ("dual_in_scores", "refit"):
            if not isinstance(value := getattr(self, name), bool):
                raise EasiEdgeError(f"schedule.{name}={value} must be true or false")
        for name, kind in (("policy", "rho"), ("stopping", "rule")):
            value = getattr(self, name)
            if value is not None and not (callable(value) if name == "policy" else isinstance(value, Stopping)):
                raise EasiEdgeError(
                    f"schedule.{name}={value!r:.60} is no {kind} that was made: give schedule.{name}._target_="
                )

    @property
    def training_epochs(self) -> int:
        """All W-steps, where no stopping rule ends them before."""
        return self.iterations * self.epochs_per_iteration

    def __call__(self, task: Task) -> Outcome:
        """Prune ``task.network`` to the budget."""
        guard, told = task.selection.guard, None
        network, example = copy.deepcopy(task.network), inputs_of(task.calibration[0])[:2]

        decided = DecidedWay()

        def choose(current: nn.Module) -> FilterMask:
            nonlocal told
            selection, given = task.selection, (task.groups, task.calibration, task.budget)
            mask = None
            if decided.way is None:  # before training, where the network is the dense one
                mask, decided.way = selection.decided(task.network, *given, chunk=self.chunk, readjust=self.readjust)
            if callback.state is not None:
                way = decided.way
                mask = selection.mask(
                    current, *given, tutor=task.network, chunk=self.chunk, readjust=way.readjust, ranking=way.ranking,
                    guarded=False,
                )  # fmt: skip
            assert mask is not None
            if told is None:
                told = guard.check(mask, task.groups)
            return mask

        def masked_accuracy(current: nn.Module, mask: FilterMask) -> float:
            return task.validate(shrink(current, task.groups, mask, example))  # says the same and takes less time

        def refit(current: nn.Module, mask: FilterMask) -> nn.Module:
            return task.selection.remove(current, task.groups, mask, task.calibration)[0]

        callback = ADMMCallback(
            task.groups,
            choose,
            network=network,
            rho=self.rho,
            policy=self.policy or ConstantRho(),
            dual=self.dual,
            dual_in_scores=self.dual_in_scores,
            start=self.start,
            epochs_per_iteration=self.epochs_per_iteration,
            stopping=self.stopping or SETTLED,
            masked_accuracy=masked_accuracy,
            refit=refit if self.refit and task.selection.compensation else None,
            renew=lambda current: renew_norm_statistics(current, task.calibration),
        )
        trained = task.train(
            network,
            recipe="admm",
            epochs=self.training_epochs,
            stage="ADMM",
            callbacks=[callback, decided],
            tutor=task.network,
            keep_best=False,
        )
        mask = callback.mask
        guard.check(mask, task.groups, told or frozenset())
        begun = time.perf_counter()
        fitted, compact = task.selection.remove(network, task.groups, mask, task.calibration)
        removing = time.perf_counter() - begun
        seconds = {"score": callback.selecting + removing, "admm": trained.seconds - callback.selecting}
        left = self.training_epochs - len(callback.records) * self.epochs_per_iteration
        return Outcome(
            fitted, task.groups, mask, mask, compact, callback.records, seconds=seconds, epochs_left=max(left, 0)
        )
