"""RRS: a random unit of a random open layer, the first baseline of Wu et al. 2022."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from easiedge.search.proposal import Proposal, SearchState
from easiedge.search.strategies.greedy_random import GreedyRandom
from easiedge.search.structure import Structure


class RandomLayer(GreedyRandom):
    """RRS."""

    def propose(self, here: Structure, state: SearchState, rng: np.random.Generator) -> Sequence[Proposal]:
        """One candidate."""
        name = state.open[int(rng.integers(len(state.open)))]
        return [Proposal({name: (int(rng.integers(here.sizes[name])),)})]
