"""The turns of one way: score, choose a chunk, take the network that it leaves, and score that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from easiedge.model.restrict import restrict, widen
from easiedge.projection.limits import Limits
from easiedge.projection.project import choose
from easiedge.surgery.tries import Way, readjusted
from easiedge.surgery.turns import Turn, put_back_turns
from easiedge.unit import FilterGroup, FilterMask, FilterScores


@dataclass(frozen=True, eq=False)
class Course:
    """From the dense network to the budget by chunks.

    Attributes:
        model: the network, left as it was.
        groups: the units that compete.
        scope: ``"global"`` or ``"layerwise"``.
        ends: fractions of the budget after each turn, as in `fractions`; the last is 1.
        bounds: what may be left at a fraction of the budget; in the end where none is given.
        scored: scores of a network's units.
        following: what leads from a mask to the network to score next; asked anew for each way, since what a refit keeps should live no longer.
        measured: the last turn is kept with its quadratic form, so that it can be chosen again for other limits.
    """

    model: nn.Module
    groups: Sequence[FilterGroup]
    scope: str
    ends: Sequence[float]
    bounds: Callable[..., Limits]
    scored: Callable[[nn.Module, list[FilterGroup]], FilterScores]
    following: Callable[[], Callable[[FilterMask], nn.Module]]
    measured: bool = False

    @cached_property
    def dense(self) -> FilterScores:
        """Of the dense network: the same in all ways."""
        return self.scored(self.model, list(self.groups))

    def turns(self, way: Way, progress: Callable[[int, FilterMask], None] | None = None) -> list[Turn]:
        """All turns of a way.

        Args:
            way: how units are chosen in each.
            progress: called after each with (turns done, mask so far).
        """
        mask, network, done = FilterMask.full(self.groups), self.model, list[Turn]()
        following = self.following()
        for step, fraction in enumerate(self.ends, start=1):
            done = [past.past() for past in done]  # before the next form is made
            scores = self.scored(network, restrict(self.groups, mask)) if done else self.dense
            done.append(self._turn(way, mask, scores, self.bounds(fraction)))
            del scores
            mask = done[-1].after
            if progress is not None:
                progress(step, mask)
            if step < len(self.ends):
                network = following(mask)
        return done if self.measured else [past.past() for past in done]

    def mask(self, way: Way, turns: Sequence[Turn], bounds: Limits | None = None) -> FilterMask:
        """Where the turns of a way end, with what still fits put back; the last turn chosen again where other ``bounds`` are given."""
        *earlier, last = turns
        if bounds is not None:
            last = self._turn(way, last.before, last.scores, bounds)
        if self.scope != "global":
            return last.after
        return put_back_turns([*earlier, last], self.groups, bounds or self.bounds())

    def _turn(self, way: Way, before: FilterMask, scores: FilterScores, bounds: Limits) -> Turn:
        scores = readjusted(scores, way.readjust)
        after = choose(scores, restrict(self.groups, before), bounds, self.scope, way.ranking)
        return Turn(before, widen(after, before), scores)
