"""Selection by turns: remove a chunk, compensate, expand again in the network that is left, remove the next chunk.

The quadratic form behind the scores is local, so after each chunk the scores are taken anew at the smaller network (re-expansion,
design: method.md section 4), against that network itself (`easiedge.scoring.reference` says why).  With compensation in between (section 5b)
every expansion is taken in a network that still works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.kept_memory import kept_memory
from easiedge.model.cost import network_cost
from easiedge.model.device_latency import DeviceLatency
from easiedge.model.filter_groups import analyse
from easiedge.model.graph import two_images
from easiedge.projection.budget import limits, reduction
from easiedge.projection.collapse import SHARE, CollapseGuard
from easiedge.projection.floors import Floors
from easiedge.projection.project import SCOPES
from easiedge.projection.ranking import Ranking, check_ranking
from easiedge.scoring.batches import Batches, inputs_of
from easiedge.scoring.reference import held_against
from easiedge.scoring.score import Scorer, accepts, score
from easiedge.surgery.calibration import Calibration
from easiedge.surgery.compensate import MEMORY, RIDGE, Compensation
from easiedge.surgery.course import Course
from easiedge.surgery.measured_latency import Clock, held, measuring
from easiedge.surgery.shrink import cut
from easiedge.surgery.tries import Judge, Part, Way, best_way, dampings, rankings, says
from easiedge.surgery.turns import Turn, fractions
from easiedge.unit import Budget, FilterGroup, FilterMask

COMPENSATIONS = ("none", "least_squares")
Progress = Callable[[int, int, FilterMask], None]


@kept_memory()
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
    ranking: Ranking = "auto",
    min_units: int | Mapping[str, int] = 1,
    max_ratio: float = 1.0,
    round_to: int = 1,
    collapse: str = "warn",
    collapse_share: float = SHARE,
    ridge: float = RIDGE,
    positions: int = 32,
    memory: float = MEMORY,
    progress: Progress | None = None,
    decided: Callable[[Way], None] | None = None,
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
        ranking: as in `project`; with compensation the joint form tries 1 and 2 where it is ``"auto"``.
        min_units: floor, as in `project`.
        max_ratio: floor, as in `project`.
        round_to: floor, as in `project`.
        collapse: what collapsed groups mean, as in `project`; the finished mask decides.
        collapse_share: as in `project`.
        ridge: of the compensation, as in `compensate`.
        positions: of the compensation, as in `compensate`.
        memory: bytes that the compensation may keep between layers, and of a loader's batches, as in `compensate`.
        progress: called after each chunk with (chunks done, chunks at most, mask so far); each way that is tried starts anew.
        decided: called with the way that was kept.
        scorer: what is called in place of `score`, such as a `SharedScores`.
        **options: of the criterion, such as ``probe`` and ``passes``.  Of several values of ``readjust`` the one is kept whose network has the
            smaller exact information gain (`easiedge.surgery.tries`); with compensation the joint form tries 0.1 and 0 unless told otherwise.

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
    fit = compensation == "least_squares"
    tried = dampings(criterion, options, fit), rankings(criterion, ranking, scope, goal, fit)
    most = sum(map(len, tried)) - 1
    options = {name: value for name, value in options.items() if name != "readjust" or not accepts(criterion, name)}
    options = held_against(criterion, lambda: says(tutor or model, map(inputs_of, calibration)), first_order) | options
    left_by = partial(
        _next_network, model, groups, example=example, ridge=ridge, positions=positions, memory=memory if fit else None
    )
    course = Course(
        model, groups, scope, fractions(reduction(budget, cost), chunk),
        bounds=partial(limits, budget, groups, cost, floors),
        scored=lambda network, here: scorer(network, here, calibration, criterion, **options),
        following=partial(left_by, calibration),
        measured=clock is not None,
    )  # fmt: skip
    taken: dict[Way, list[Turn]] = {}

    def chosen(way: Way) -> FilterMask:
        done, steps = len(taken) * len(course.ends), most * len(course.ends)
        told = None if progress is None else lambda step, mask: progress(done + step, steps, mask)
        taken[way] = course.turns(way, told)
        return course.mask(way, taken[way])

    def loss(mask: FilterMask) -> float:
        return judge.loss(left_by(Part(calibration, judged=False))(mask))

    judge = Judge(tutor or model, Part(calibration, judged=True))
    best = best_way(*tried, chosen, loss)
    mask = course.mask(best, taken[best])
    if clock is not None and goal.has_latency:
        mask = held(mask, goal, partial(course.mask, best, taken[best]), measuring(model, groups, example, clock))
    guard.check(mask, groups)
    if decided is not None:
        decided(best)
    return mask


def _next_network(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    calibration: Batches,
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
            given = model, groups, calibration
            return Compensation(*given, ridge=ridge, positions=positions, memory=memory, rounded=True).shrink
        walk = analyse(model, images)[0]
        return lambda mask: cut(walk, groups, mask, images)

    return lambda mask: session()(mask)
