"""Units by the information gain of removing them, one by one or jointly, on calibration samples.

    single   the unit whose removal loses least information for each parameter that goes, as `taylor_information_gain` expands it: one
             candidate a step, where GRS tries one for each open layer; a layer that fails is closed, as in GRS
    joint    far:  the share ``rate`` of the parameters that loses least together (`joint_information_gain`), what stays refitted in closed
                   form; the rate is halved whenever that fails
             near: of each open layer the ``TRIES`` units that lose least, refitted too; the smallest network that holds goes on, far again;
                   a layer of which none holds is closed

The joint form passes over many of GRS's steps at once, and is hasty: since what stays is refitted, most candidates hold before or soon
after their training begins, and only the last structure is trained in full.  Layers that are closed keep what they have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from easiedge.errors import BudgetError
from easiedge.projection.project import project
from easiedge.scoring.joint_information_gain import for_refit
from easiedge.scoring.score import score
from easiedge.search.lean_training import Quality
from easiedge.search.proposal import NEAR, Proposal, SearchState, close_failed
from easiedge.search.structure import Structure
from easiedge.unit import Budget, FilterScores

ONE_UNIT = 1e-6  # share of the parameters that any unit has more of
FAR = "far"
TRIES = 2


class SingleInformationGain:
    """One unit at a time.

    Args:
        calibration: training samples ``[samples, ...]`` in batches.
    """

    hasty = False

    def __init__(self, calibration: Sequence[Tensor]) -> None:
        self.calibration = calibration

    def begin(self, state: SearchState) -> SearchState:
        """As it is."""
        return state

    def propose(self, here: Structure, state: SearchState, rng: np.random.Generator) -> Sequence[Proposal]:
        """One candidate."""
        scores = score(here.network, here.groups, self.calibration, "taylor_information_gain", seed=state.step)
        gone = cheapest(here, scores, state, ONE_UNIT)
        return [] if gone is None else [Proposal(gone)]

    def prefer(self, network: nn.Module, quality: Quality) -> tuple[float, ...]:
        """There is one."""
        return quality.accuracy, quality.minus_loss

    def learn(self, state: SearchState, tried: Sequence[Proposal], passed: Sequence[bool]) -> SearchState:
        """A layer whose candidate failed is closed."""
        return close_failed(state, tried, passed)


@dataclass(frozen=True, eq=False)
class JointInformationGain:
    """Many units at a time, then one.

    Attributes:
        calibration: training samples ``[samples, ...]`` in batches.
        rate: share of the parameters that the first candidate loses; 0 for the near phase alone.
        inherits: whether candidates are trained from what is left of the weights: only then refits and haste make sense.
    """

    calibration: Sequence[Tensor]
    rate: float = 0.5
    inherits: bool = True
    _scored: list[tuple[Structure, FilterScores]] = field(default_factory=list, repr=False)  # the last one

    @property
    def hasty(self) -> bool:
        """Unless candidates start afresh."""
        return self.inherits

    def begin(self, state: SearchState) -> SearchState:
        """The first rate."""
        return replace(state, rate=self.rate, phase=FAR if self.rate else NEAR)

    def propose(self, here: Structure, state: SearchState, rng: np.random.Generator) -> Sequence[Proposal]:
        """Far: one candidate, or none where the open layers cannot lose so much.  Near: some of each open layer."""
        scores = self._scores(here)
        if state.phase == FAR:
            gone = cheapest(here, scores, state, state.rate)
            return [] if gone is None else [Proposal(gone, self.inherits)]
        return [
            Proposal({name: (int(unit),)}, self.inherits)
            for name in state.open
            for unit in scores.values[name].argsort(stable=True)[:TRIES]
        ]

    def _scores(self, here: Structure) -> FilterScores:
        """Of a structure, looked up while several steps try from it; the seed depends on it alone, so that a search that was stopped finds the same."""
        if not self._scored or self._scored[0][0] is not here:
            options: dict[str, Any] = {"seed": sum(here.sizes.values())}
            raw = score(here.network, here.groups, self.calibration, "joint_information_gain", **options)
            self._scored[:] = [(here, for_refit(raw, options))]
        return self._scored[0][1]

    def prefer(self, network: nn.Module, quality: Quality) -> tuple[float, ...]:
        """The smallest, since all of them hold the threshold; of equal ones the best."""
        return -float(sum(p.numel() for p in network.parameters())), quality.accuracy, quality.minus_loss

    def learn(self, state: SearchState, tried: Sequence[Proposal], passed: Sequence[bool]) -> SearchState:
        """Far, failed: half the rate, near where few units would go.  Near, held: far again."""
        if state.phase == FAR:
            if any(passed):
                return state
            few = bool(tried) and tried[0].units <= len(state.open)
            return replace(state, phase=NEAR) if few else replace(state, rate=state.rate / 2)
        if any(passed) and self.rate:
            return replace(close_failed(state, tried, passed), phase=FAR, rate=self.rate / 2)
        return close_failed(state, tried, passed)


def cheapest(
    here: Structure, scores: FilterScores, state: SearchState, share: float
) -> dict[str, tuple[int, ...]] | None:
    """Units of open layers, ``share`` of all parameters at least, that lose least information; None where the layers have not so many."""
    floors = {g.name: 1 if g.name in state.open else g.size for g in here.groups}
    try:
        mask = project(
            scores, here.groups, budget=Budget(params_removed=share), model=here.network, example_inputs=here.inputs, min_units=floors,
            collapse="ignore",
        )  # fmt: skip
    except BudgetError:
        return None
    return _gone(mask.keep)


def _gone(keep: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Units that go, of layers that lose any."""
    gone = {name: tuple((~k).nonzero().flatten().tolist()) for name, k in keep.items()}
    return {name: units for name, units in gone.items() if units}
