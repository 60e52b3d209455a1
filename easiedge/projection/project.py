"""The global pruning subproblem: keep the most informative units within the budget.

    minimise IG(S)   over S   subject to   every budget holds, and every group keeps at least its floor

Where the scores are information lost, it is weighed against what a unit's removal saves (``ranking``: ``per_cost``).  Other scores, such
as norms, say only which unit is less important than which: the lowest go until every budget holds (``score``).

With equal costs exactly the number of units asked for goes; with unequal costs no removed unit could be put back without
breaking a limit (and, with milliseconds, no step to the next aligned width).  Not a Euclidean projection: that would keep the largest norms, this keeps the most informative units
(design: method.md section 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.model.cost import NetworkCost, network_cost
from easiedge.model.device_latency import DeviceLatency
from easiedge.projection.budget import limits
from easiedge.projection.collapse import SHARE, CollapseGuard
from easiedge.projection.floors import Floors
from easiedge.projection.global_topk import project_globally
from easiedge.projection.joint_greedy import JointOrder
from easiedge.projection.layerwise_topk import project_layerwise
from easiedge.projection.limits import Limits
from easiedge.projection.order import Order, SingleScores, flat, mask_of, starts_of
from easiedge.projection.ranking import Ranking, check_ranking, exponent
from easiedge.projection.readjusted_greedy import ReadjustedOrder
from easiedge.unit import Budget, FilterGroup, FilterMask, FilterScores

SCOPES = {"global": project_globally, "layerwise": project_layerwise}


def project(
    scores: FilterScores,
    groups: Sequence[FilterGroup],
    *,
    budget: Budget,
    scope: str = "global",
    model: nn.Module | None = None,
    example_inputs: Tensor | tuple[Tensor, ...] | None = None,
    cost: NetworkCost | None = None,
    latency: DeviceLatency | None = None,
    ranking: Ranking = "auto",
    min_units: int | Mapping[str, int] = 1,
    max_ratio: float = 1.0,
    round_to: int = 1,
    collapse: str = "warn",
    collapse_share: float = SHARE,
) -> FilterMask:
    """Choose which units stay.

    Args:
        scores: of every unit of ``groups``; with an `Interaction` units are chosen together.
        groups: the units that compete.
        budget: what must go, at least; shares of parameters and MACs are of the whole network.
        scope: ``"global"`` ranks all units together, ``"layerwise"`` takes the same share from each group.
        model: the dense network, to count costs.
        example_inputs: a batch for it.
        cost: from `network_cost` with the same budget, instead of ``model``, ``example_inputs`` and ``latency``.
        latency: milliseconds on a device, from `LatencyTable.network`, for a budget that limits them.
        ranking: of units whose costs differ, under global scope: ``"per_cost"`` by score per cost, ``"score"`` by score alone, a number by
            score per that power of the cost, ``"auto"`` per cost where the scores are losses.
        min_units: units that every group keeps, one number or by group name (``"*"`` for the others).
        max_ratio: largest share that any group may lose.
        round_to: every group keeps a multiple of this many units, or all.
        collapse: what a group that loses more than ``collapse_share`` means: ``"warn"``, ``"error"`` or ``"ignore"``.
        collapse_share: share of its units, in (0, 1).

    Raises:
        BudgetError: the budget cannot be met; what is reachable and the groups that bind are named.  Or groups collapse
            and ``collapse="error"``.
    """
    guard = CollapseGuard(collapse_share, collapse)
    if scope not in SCOPES:
        raise EasiEdgeError(f"unknown scope {scope!r}: choose one of {', '.join(SCOPES)}")
    check_ranking(ranking)
    if cost is None:
        if model is None or example_inputs is None:
            raise EasiEdgeError("project needs the network to count costs: pass model= and example_inputs=, or cost=")
        cost = network_cost(model, groups, example_inputs, budget, latency)
    bounds = limits(budget, groups, cost, Floors(min_units, max_ratio, round_to))
    mask = choose(scores, groups, bounds, scope, ranking)
    guard.check(mask, groups)
    return mask


def choose(
    scores: FilterScores, groups: Sequence[FilterGroup], bounds: Limits, scope: str, ranking: Ranking = "auto"
) -> FilterMask:
    """Choose among the units of ``groups``, which may be what earlier choices have left of those that ``bounds`` counts."""
    return mask_of(SCOPES[scope](order_of(scores, groups, ranking), bounds), groups)


def order_of(scores: FilterScores, groups: Sequence[FilterGroup], ranking: Ranking = "auto") -> Order:
    """In which order the units of each group go: by the joint form where the scores have one."""
    order = _order(scores, groups)
    order.power = exponent(ranking, scores.are_losses)
    return order


def _order(scores: FilterScores, groups: Sequence[FilterGroup]) -> Order:
    starts = starts_of(groups)
    if scores.interaction is None:
        return SingleScores(flat(scores, groups), starts)
    if scores.interaction.names != tuple(g.name for g in groups):
        raise EasiEdgeError("joint scores must be projected with the groups they were made for, in the same order")
    return (ReadjustedOrder if scores.interaction.readjust else JointOrder)(scores.interaction, starts)
