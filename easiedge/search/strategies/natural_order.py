"""NWM: layers in forward order, each until it fails, of each the unit whose weights are smallest; the second baseline of Wu et al. 2022."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from easiedge.scoring.score import score
from easiedge.search.proposal import Proposal, SearchState
from easiedge.search.strategies.greedy_random import GreedyRandom
from easiedge.search.structure import Structure


class NaturalOrder(GreedyRandom):
    """NWM; the magnitude is the mean absolute weight of a unit's filters."""

    def propose(self, here: Structure, state: SearchState, rng: np.random.Generator) -> Sequence[Proposal]:
        """One candidate, of the first layer that is open."""
        layer = [g for g in here.groups if g.name == state.open[0]]
        values = score(here.network, layer, [here.inputs], "l1_magnitude").values[state.open[0]]
        return [Proposal({state.open[0]: (int(values.argmin()),)})]
