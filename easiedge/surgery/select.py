"""Selection by turns: remove a chunk, compensate, expand again in the network that is left, remove the next chunk.

The quadratic form behind the scores is local, so after each chunk the scores are taken anew at the smaller network (re-expansion,
design: method.md section 4), against that network itself (`easiedge.scoring.reference` says why).  With compensation in between (section 5b)
every expansion is taken in a network that still works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.model.cost import network_cost
from easiedge.model.device_latency import DeviceLatency
from easiedge.model.filter_groups import analyse
from easiedge.model.graph import device_of, evaluating, two_images
from easiedge.model.restrict import restrict, widen
from easiedge.projection.budget import limits, reduction
from easiedge.projection.collapse import SHARE, CollapseGuard
from easiedge.projection.floors import Floors
from easiedge.projection.limits import Limits
from easiedge.projection.project import SCOPES, check_ranking, choose
from easiedge.scoring.batches import Batches, logits_of
from easiedge.scoring.joint_information_gain import for_refit
from easiedge.scoring.reference import held_against
from easiedge.scoring.score import Scorer, score
from easiedge.surgery.calibration import Calibration
from easiedge.surgery.compensate import MEMORY, Compensation
from easiedge.surgery.measured_latency import Clock, held, measuring
from easiedge.surgery.shrink import cut
from easiedge.surgery.turns import Turn, fractions, put_back_turns
from easiedge.unit import Budget, FilterGroup, FilterMask

COMPENSATIONS = ("none", "least_squares")
Progress = Callable[[int, int, FilterMask], None]


def select(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Batches,
    *,
    budget: Budget,
    criterion: str = "joint_information_gain",
    scope: str = "global",
    chunk: float = 0.05,
    compensation: str | None = None,
    example_inputs: Tensor | tuple[Tensor, ...] | None = None,
    tutor: nn.Module | None = None,
    first_order: bool = False,
    latency: DeviceLatency | None = None,
    clock: Clock | None = None,
    ranking: str = "auto",
    min_units: int | Mapping[str, int] = 1,
    max_ratio: float = 1.0,
    round_to: int = 1,
    collapse: str = "warn",
    collapse_share: float = SHARE,
    ridge: float = 1e-3,
    positions: int = 32,
    memory: float = MEMORY,
    progress: Progress | None = None,
    scorer: Scorer = score,
    **options: Any,
) -> FilterMask:
    """Choose which units stay, by scoring and projection in turns.

    Args:
        model: the network, left as it was.
        groups: the units that compete.
        batches: calibration inputs, or (inputs, targets) for criteria that need labels.
        budget: what must go in the end, at least.
        criterion: any criterion of `score`; ``joint_information_gain`` chooses units together.
        scope: ``"global"`` or ``"layerwise"``.
        chunk: share of the units (or of the cost that has to fall furthest) that goes before the next expansion; 1 for a single one.
        compensation: ``"least_squares"`` refits the network after each chunk, always from ``model``; None does not.
        example_inputs: inputs for tracing; the first batch by default.
        tutor: what the exact information gain is held against; ``model`` itself by default.
        first_order: hold Taylor-based criteria against the tutor too.
        latency: milliseconds on a device, from `LatencyTable.network`, for a budget that limits them.
        clock: milliseconds of a network measured on that device; then the limit holds as measured, within 3 %.
        ranking: as in `project`.
        min_units: floor, as in `project`.
        max_ratio: floor, as in `project`.
        round_to: floor, as in `project`.
        collapse: what collapsed groups mean, as in `project`; the finished mask decides.
        collapse_share: as in `project`.
        ridge: of the compensation, as in `compensate`.
        positions: of the compensation, as in `compensate`.
        memory: bytes that the compensation may keep between layers, and of a loader's batches, as in `compensate`.
        progress: called after each chunk with (chunks done, chunks in all, mask so far).
        scorer: what is called in place of `score`, such as a `SharedScores`.
        **options: of the criterion, such as ``probe`` and ``passes``; with compensation the joint form readjusts unless told otherwise.

    Raises:
        BudgetError: the budget cannot be met, or groups collapse and ``collapse="error"``.
        EasiEdgeError: unknown scope, criterion or compensation, or no batches.
    """
    guard = CollapseGuard(collapse_share, collapse)
    if scope not in SCOPES:
        raise EasiEdgeError(f"unknown scope {scope!r}: choose one of {', '.join(SCOPES)}")
    check_ranking(ranking)
    if compensation is not None and compensation not in COMPENSATIONS:
        raise EasiEdgeError(f"unknown compensation {compensation!r}: choose least_squares or none")
    if not 0.0 < chunk <= 1.0:
        raise EasiEdgeError(
            f"chunk={chunk} is outside (0, 1]: give the share of units to remove between two expansions"
        )
    calibration = Calibration(batches, memory / 4, "select")
    example = calibration.example if example_inputs is None else example_inputs
    cost = network_cost(model, groups, example, budget, latency)
    floors = Floors(min_units, max_ratio, round_to)
    goal = limits(budget, groups, cost, floors)  # refuse what cannot be reached before any work is done
    ends = fractions(reduction(budget, cost), chunk)
    fit = compensation == "least_squares"
    options = held_against(criterion, lambda: _reference(tutor or model, calibration), first_order) | options
    following = _next_network(model, groups, calibration, example, ridge, positions, memory if fit else None)
    mask = FilterMask.full(groups)
    done: list[Turn] = []
    current: nn.Module = model
    for step, fraction in enumerate(ends, start=1):
        here = restrict(groups, mask)
        scores = scorer(current, here, calibration, criterion, **options)
        if fit:
            scores = for_refit(scores, options)
        after = widen(choose(scores, here, limits(budget, groups, cost, floors, fraction), scope, ranking), mask)
        done.append(Turn(mask, after, scores))
        mask = after
        if progress is not None:
            progress(step, len(ends), mask)
        if step < len(ends):
            current = following(mask)

    def within(bounds: Limits) -> FilterMask:
        last = replace(done[-1], after=widen(choose(scores, here, bounds, scope, ranking), done[-1].before))
        return put_back_turns([*done[:-1], last], groups, bounds) if scope == "global" else last.after

    if scope == "global":
        mask = put_back_turns(done, groups, goal)
    if clock is not None and goal.has_latency:
        mask = held(mask, goal, within, measuring(model, groups, example, clock))
    guard.check(mask, groups)
    return mask


def _next_network(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    calibration: Calibration,
    example: Any,
    ridge: float,
    positions: int,
    memory: float | None,
) -> Callable[[FilterMask], nn.Module]:
    """From a mask to the network in which to expand next; compensated with ``memory`` bytes unless that is None.

    Neither is proved to equal the masked network here: whoever removes the units in the end proves that.
    """
    images = two_images(model, example)

    @cache
    def session() -> Callable[[FilterMask], nn.Module]:  # made when it is first needed: a single chunk never does
        if memory is not None:
            return Compensation(model, groups, calibration, ridge=ridge, positions=positions, memory=memory).shrink
        walk = analyse(model, images)[0]
        return lambda mask: cut(walk, groups, mask, images)

    return lambda mask: session()(mask)


@torch.no_grad()
def _reference(tutor: nn.Module, batches: Calibration) -> list[Tensor]:
    """The tutor's logits on each batch, computed once."""
    with evaluating(tutor):
        images = batches.inputs(device_of(tutor))
        return [logits_of(tutor(x), number) for number, x in enumerate(images)]
