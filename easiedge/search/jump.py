"""Jump-GRS: far sub-phases with large compression rates, then another strategy, GRS, as the near phase.

Wu, Lin, Chen, Bhattacharyya: *Jump-GRS: a multi-phase approach to structured pruning of neural networks for neural decoding*, Journal of
Neural Engineering 20, 2023.  A jump passes over structures in between without training them.  Sub-phase k tries ``attempts`` candidates,
each of which loses the share ``rates[k]`` of the units of every open layer, chosen at random; the best that holds the threshold goes on, and
the sub-phase comes again; where all fail, the next one follows.  What is published here in words has many readings; this is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from easiedge.search.lean_training import Quality
from easiedge.search.proposal import NEAR, Proposal, SearchState, Strategy
from easiedge.search.structure import Structure


@dataclass(frozen=True, eq=False)
class Jump:
    """Far sub-phases before ``near``.

    Attributes:
        rates: share of every open layer's units that goes, by sub-phase.
        attempts: candidates of a jump.
        near: what follows.
    """

    rates: Sequence[float]
    attempts: int
    near: Strategy

    @property
    def hasty(self) -> bool:
        """As the near phase."""
        return self.near.hasty

    def begin(self, state: SearchState) -> SearchState:
        """The first sub-phase."""
        return self._enter(state, 0)

    def propose(self, here: Structure, state: SearchState, rng: np.random.Generator) -> Sequence[Proposal]:
        """The attempts of a jump; none where no layer can lose its share."""
        if not self._far(state):
            return self.near.propose(here, state, rng)
        counts = {name: min(int(state.rate * here.sizes[name]), here.sizes[name] - 1) for name in state.open}
        counts = {name: count for name, count in counts.items() if count > 0}
        if not counts:
            return []
        return [
            Proposal(
                {name: tuple(rng.permutation(here.sizes[name])[:count].tolist()) for name, count in counts.items()}
            )
            for _ in range(self.attempts)
        ]

    def prefer(self, network: nn.Module, quality: Quality) -> tuple[float, ...]:
        """As the near phase does: the attempts of a jump are of one size."""
        return self.near.prefer(network, quality)

    def learn(self, state: SearchState, tried: Sequence[Proposal], passed: Sequence[bool]) -> SearchState:
        """The same sub-phase as long as a candidate holds, else the next."""
        if not self._far(state):
            return self.near.learn(state, tried, passed)
        return state if any(passed) else self._enter(state, int(state.phase.split()[1]))

    def _far(self, state: SearchState) -> bool:
        return state.phase.startswith("far ")

    def _enter(self, state: SearchState, number: int) -> SearchState:
        if number < len(self.rates):
            return replace(state, phase=f"far {number + 1}", rate=self.rates[number])
        return self.near.begin(replace(state, phase=NEAR, rate=0.0))
