"""GRS: of every open layer one candidate without one random unit; the best of them goes on.

Wu et al. 2022: greedy inter-layer order with random selection of intra-layer units.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from easiedge.search.lean_training import Quality
from easiedge.search.proposal import Proposal, SearchState, close_failed
from easiedge.search.structure import Structure


class GreedyRandom:
    """GRS."""

    hasty = False

    def begin(self, state: SearchState) -> SearchState:
        """As it is."""
        return state

    def propose(self, here: Structure, state: SearchState, rng: np.random.Generator) -> Sequence[Proposal]:
        """One candidate for each open layer."""
        return [Proposal({name: (int(rng.integers(here.sizes[name])),)}) for name in state.open]

    def prefer(self, network: nn.Module, quality: Quality) -> tuple[float, ...]:
        """The best one."""
        return quality.accuracy, quality.minus_loss

    def learn(self, state: SearchState, tried: Sequence[Proposal], passed: Sequence[bool]) -> SearchState:
        """A layer whose candidate failed is closed."""
        return close_failed(state, tried, passed)
