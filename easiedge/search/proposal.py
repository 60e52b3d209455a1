"""What a strategy proposes, what it remembers, and what it is: the only thing that differs between the searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from torch import nn

from easiedge.search.lean_training import Quality
from easiedge.search.structure import Structure

NEAR = "near"
SETTLING, SETTLED = "settling", "settled"  # the last structure of a hasty search is trained in full; it has been


@dataclass(frozen=True)
class Proposal:
    """A candidate structure.

    Attributes:
        removed: units that go, by layer.
        refit: whether what stays is refitted in closed form before it is trained.
    """

    removed: Mapping[str, tuple[int, ...]]
    refit: bool = False

    @property
    def units(self) -> int:
        """How many go."""
        return sum(map(len, self.removed.values()))


@dataclass(frozen=True)
class SearchState:
    """Where a search stands, beside its structure.

    Attributes:
        step: number of the next one, from 0.
        open: layers that may still lose units, in forward order.
        phase: such as ``near``.
        rate: share that a candidate loses, for strategies that remove many units at once; 0 for one unit.
    """

    step: int
    open: tuple[str, ...]
    phase: str = NEAR
    rate: float = 0.0

    def closing(self, names: set[str]) -> SearchState:
        """Without these layers."""
        return replace(self, open=tuple(n for n in self.open if n not in names))

    def as_plain(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"step": self.step, "open": list(self.open), "phase": self.phase, "rate": self.rate}

    @classmethod
    def of_plain(cls, found: Mapping[str, Any]) -> SearchState:
        """From a checkpoint."""
        return cls(int(found["step"]), tuple(found["open"]), str(found["phase"]), float(found["rate"]))


class Strategy(Protocol):
    """Which candidates are tried at each step, and what failing means."""

    @property
    def hasty(self) -> bool:
        """Whether a candidate is trained only until it holds the threshold, and the last structure once in full."""
        ...

    def begin(self, state: SearchState) -> SearchState:
        """The first state, from one that has all layers open."""
        ...

    def propose(self, here: Structure, state: SearchState, rng: np.random.Generator) -> Sequence[Proposal]:
        """Candidates; empty where this phase has none left."""
        ...

    def prefer(self, network: nn.Module, quality: Quality) -> tuple[float, ...]:
        """Of the candidates that hold the threshold the one with the largest goes on."""
        ...

    def learn(self, state: SearchState, tried: Sequence[Proposal], passed: Sequence[bool]) -> SearchState:
        """The state after these candidates (or none) were tried; ``open`` is empty at the end."""
        ...


def close_failed(state: SearchState, tried: Sequence[Proposal], passed: Sequence[bool]) -> SearchState:
    """Layers all of whose candidates failed are closed; all layers where there was none."""
    if not tried:
        return replace(state, open=())
    held = {name for p, ok in zip(tried, passed, strict=True) if ok for name in p.removed}
    return state.closing({name for p in tried for name in p.removed} - held)
