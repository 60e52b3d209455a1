"""A selection's turns: how far each goes, and which of their units need not have gone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from easiedge.projection.limits import Limits
from easiedge.projection.put_back import Step, put_back
from easiedge.unit import FilterGroup, FilterMask, FilterScores


@dataclass(frozen=True, eq=False)
class Turn:
    """One scoring and what it was used for.

    Attributes:
        before, after: masks over the dense network's units.
        scores: of the units of ``before``.
    """

    before: FilterMask
    after: FilterMask
    scores: FilterScores

    def past(self) -> Turn:
        """The same without the scores' quadratic form, which is large, and which only the last turn needs."""
        return replace(self, scores=replace(self.scores, interaction=None))


def fractions(reduction: float, chunk: float) -> list[float]:
    """Fractions of the budget after each turn: ``chunk``, 2 ``chunk``, ... of the whole until ``reduction`` is there.

    So larger budgets of one kind come by where smaller ones ended, and scores made for one serve the others.
    """
    count = max(1, math.ceil(reduction / chunk - 1e-9))
    return [*(step * chunk / reduction for step in range(1, count)), 1.0]


def put_back_turns(turns: Sequence[Turn], groups: Sequence[FilterGroup], goal: Limits) -> FilterMask:
    """The last turn's mask with what still fits put back: the last turns first, and in each the highest scores first.

    The last chunk may have made earlier ones needless.
    """
    mask = turns[-1].after
    if goal.units_only:
        return mask
    history: list[Step] = [step for turn in turns for step in _steps(turn, groups, goal.round_to)]
    keep = {name: k.clone() for name, k in mask.keep.items()}
    kept = np.array([float(keep[g.name].sum()) for g in groups])
    for number, unit in put_back(goal, kept, history):
        keep[groups[number].name][unit] = True
    return FilterMask(keep)


def _steps(turn: Turn, groups: Sequence[FilterGroup], round_to: int) -> list[Step]:
    """What a turn removed, the lowest scores first; the units of a rounded step together."""
    found: list[tuple[float, Step]] = []
    for g, group in enumerate(groups):
        before = turn.before.keep[group.name].numpy()
        scores = np.full(group.size, np.inf)
        scores[before] = turn.scores.values[group.name].numpy()
        gone = np.flatnonzero(before & ~turn.after.keep[group.name].numpy())
        gone = gone[np.argsort(scores[gone], kind="stable")]
        chunks = [gone[k : k + round_to] for k in range(0, len(gone), round_to)]
        found += [(float(scores[chunk].mean()), (g, chunk)) for chunk in chunks]
    return [step for _, step in sorted(found, key=lambda pair: pair[0])]
