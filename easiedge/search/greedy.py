"""The search over structures: try candidates, take the best of those that hold the threshold, go on until no layer is open.

    accept a candidate    iff    its validation accuracy >= T * that of the original

A hasty strategy trains a candidate only until it holds, and what is left in the end once in full.  Of those that are accepted at a
step the one goes on that the strategy prefers: of the best quality (accuracy, then loss), or the smallest.  What a step tries depends on
the structure, the state, and a generator seeded by ``(seed, step)``: a search that was stopped ends with the same result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np
from torch import Tensor, nn

from easiedge.search.lean_training import Quality
from easiedge.search.proposal import SETTLED, SETTLING, Proposal, SearchState, Strategy
from easiedge.search.structure import Structure
from easiedge.seeds import STEP, numbered_seed

Evaluate = Callable[[Sequence[nn.Module], Sequence[int], float], Sequence[tuple[nn.Module, Quality]]]
MOST_CANDIDATES = 1000  # of a step, for seeds


@dataclass(frozen=True)
class Step:
    """What one step did.

    Attributes:
        step: from 0.
        phase: such as ``far 1``.
        candidates: how many were tried.
        mean_accuracy: validation accuracy, the mean of all candidates.
        best_accuracy: of the best one.
        accepted: whether one held the threshold.
        units: that are left, of all layers.
        params: parameters that are left.
        removed: units that went, by layer; empty where none was accepted.
        seconds: that the step took.
    """

    step: int
    phase: str
    candidates: int
    mean_accuracy: float
    best_accuracy: float
    accepted: bool
    units: int
    params: int
    removed: dict[str, int]
    seconds: float


@dataclass(frozen=True, eq=False)
class Progress:
    """A search under way, or at its end.

    Attributes:
        structure: the smallest that was accepted last.
        state: of the strategy.
        steps: that were taken.
    """

    structure: Structure
    state: SearchState
    steps: tuple[Step, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether no layer is open, and nothing is left to settle."""
        return not self.state.open and self.state.phase != SETTLING


def begun(start: Structure, strategy: Strategy) -> Progress:
    """A search at its beginning; layers of one unit are closed."""
    return Progress(start, _still_open(strategy.begin(SearchState(0, tuple(start.sizes))), start))


def search(
    progress: Progress,
    strategy: Strategy,
    evaluate: Evaluate,
    floor: float,
    *,
    seed: int = 0,
    calibration: Sequence[Tensor] = (),
    remember: Callable[[Progress], Any] = lambda progress: None,
) -> Progress:
    """Go on to the end.

    Args:
        progress: from `begun`, or a checkpoint.
        strategy: which candidates are tried.
        evaluate: trains networks by their seeds until an accuracy is reached, and gives them back with their validation quality.
        floor: least validation accuracy of what is accepted, ``T`` times that of the original.
        seed: of what a step draws and of training.
        calibration: samples that candidates are refitted on, where the strategy wants that.
        remember: called after every step.
    """
    while not progress.finished:
        if progress.state.phase == SETTLING:
            progress = settled(progress, evaluate, seed)
        else:
            progress = step(progress, strategy, evaluate, floor, seed, calibration)
        remember(progress)
    return progress


def step(
    progress: Progress, strategy: Strategy, evaluate: Evaluate, floor: float, seed: int, calibration: Sequence[Tensor]
) -> Progress:
    """One step."""
    begin = time.perf_counter()
    here, state = progress.structure, progress.state
    tried = strategy.propose(here, state, np.random.default_rng([seed, state.step]))
    enough = floor if strategy.hasty else inf
    found = _evaluated(here, tried, evaluate, seed, state.step, calibration, enough)
    passed = [quality.accuracy >= floor for _, quality in found]
    learnt = strategy.learn(state, tried, passed)
    removed: dict[str, int] = {}
    if any(passed):
        best = max((k for k, ok in enumerate(passed) if ok), key=lambda k: strategy.prefer(*found[k]))
        here = here.next(found[best][0], tried[best].removed, found[best][1])
        removed = {name: len(units) for name, units in tried[best].removed.items()}
    accuracies = [quality.accuracy for _, quality in found]
    steps = progress.steps
    if tried:
        steps = (*steps, _record(state, here, accuracies, any(passed), removed, begin))
    left = replace(_still_open(learnt, here), step=state.step + 1)
    if strategy.hasty and not left.open:
        left = replace(left, phase=SETTLING)
    return Progress(here, left, steps)


def settled(progress: Progress, evaluate: Evaluate, seed: int) -> Progress:
    """The last structure of a hasty search, trained once in full from the weights that it has: it only gets better."""
    begin = time.perf_counter()
    here, state = progress.structure, progress.state
    ((network, quality),) = _evaluated(here, [Proposal({})], evaluate, seed, state.step, (), inf)
    better = quality >= here.quality
    if better:
        here = here.next(network, {}, quality)
    step = _record(state, here, [quality.accuracy], better, {}, begin)
    return Progress(here, replace(state, phase=SETTLED, step=state.step + 1), (*progress.steps, step))


def _record(
    state: SearchState, here: Structure, accuracies: Sequence[float], accepted: bool, removed: dict[str, int], begin: float
) -> Step:  # fmt: skip
    """What a step did that began at ``begin`` in ``state`` and left the structure ``here``."""
    return Step(
        state.step, state.phase, len(accuracies), float(np.mean(accuracies)), max(accuracies), accepted, sum(here.sizes.values()),
        sum(p.numel() for p in here.network.parameters()), removed, time.perf_counter() - begin,
    )  # fmt: skip


def _evaluated(
    here: Structure,
    tried: Sequence[Proposal],
    evaluate: Evaluate,
    seed: int,
    number: int,
    calibration: Sequence[Tensor],
    enough: float,
) -> Sequence[tuple[nn.Module, Quality]]:
    if not tried:
        return []
    networks = [here.without(p.removed, calibration if p.refit else None) for p in tried]
    of_step = numbered_seed(number, seed % STEP)
    return evaluate(networks, [of_step * MOST_CANDIDATES + k for k in range(len(tried))], enough)


def _still_open(state: SearchState, here: Structure) -> SearchState:
    """A layer of one unit cannot lose any."""
    return state.closing({name for name, size in here.sizes.items() if size == 1})
