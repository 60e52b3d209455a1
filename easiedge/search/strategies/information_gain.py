"""Units by the information gain of removing them, one by one or jointly, on calibration samples.

    single   the unit whose removal loses least information for each parameter that goes, as `taylor_information_gain` expands it
    joint    a set of units: the share ``rate`` of the parameters that loses least together (`joint_information_gain`), refitted in closed
             form; the rate is halved whenever a candidate fails, and at one unit the layer is closed, as in GRS

A step tries one candidate where GRS tries one for each open layer, and the joint form passes many of GRS's steps at once.  Layers that are
closed keep what they have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from easiedge.errors import BudgetError
from easiedge.projection.project import project
from easiedge.scoring.joint_information_gain import for_refit
from easiedge.scoring.score import score
from easiedge.search.proposal import NEAR, Proposal, SearchState, close_failed
from easiedge.search.structure import Structure
from easiedge.unit import Budget

ONE_UNIT = 1e-6  # share of the parameters that any unit has more of
FAR = "far"


@dataclass(frozen=True, eq=False)
class InformationGain:
    """Both forms.

    Attributes:
        criterion: ``taylor_information_gain`` or ``joint_information_gain``.
        calibration: training samples ``[samples, ...]`` in batches.
        rate: share of the parameters that the first candidate loses; 0 for one unit at a time.
        refit: whether candidates are refitted.
    """

    criterion: str
    calibration: Sequence[Tensor]
    rate: float = 0.0
    refit: bool = False

    def begin(self, state: SearchState) -> SearchState:
        """The first rate."""
        return replace(state, rate=self.rate, phase=FAR if self.rate else NEAR)

    def propose(self, here: Structure, state: SearchState, rng: np.random.Generator) -> Sequence[Proposal]:
        """One candidate, or none where the open layers cannot lose so much."""
        options: dict[str, Any] = {"seed": state.step}
        scores = score(here.network, here.groups, self.calibration, self.criterion, **options)
        if self.refit:
            scores = for_refit(scores, options)
        floors = {g.name: 1 if g.name in state.open else g.size for g in here.groups}
        try:
            mask = project(
                scores, here.groups, budget=Budget(params_removed=state.rate or ONE_UNIT), model=here.network,
                example_inputs=here.inputs, min_units=floors, collapse="ignore",
            )  # fmt: skip
        except BudgetError:
            return []
        return [Proposal(_gone(mask.keep), self.refit)]

    def learn(self, state: SearchState, tried: Sequence[Proposal], passed: Sequence[bool]) -> SearchState:
        """Halve the rate of what failed; at one unit close its layer."""
        if tried and passed[0]:
            return state
        if state.rate and not (tried and tried[0].units == 1):
            return _slower(state)
        return close_failed(replace(state, rate=0.0, phase=NEAR), tried, passed)


def _slower(state: SearchState) -> SearchState:
    rate = state.rate / 2 if state.rate > 2e-3 else 0.0
    return replace(state, rate=rate, phase=FAR if rate else NEAR)


def _gone(keep: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Units that go, of layers that lose any."""
    gone = {name: tuple((~k).nonzero().flatten().tolist()) for name, k in keep.items()}
    return {name: units for name, units in gone.items() if units}
