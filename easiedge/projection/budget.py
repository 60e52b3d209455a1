"""From a budget to limits: what may stay, and what can be reached at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from easiedge.errors import BudgetError
from easiedge.model.cost import NetworkCost
from easiedge.projection.floors import ROUNDING, Floors
from easiedge.projection.limits import Limits
from easiedge.unit import Budget, FilterGroup

MEGABYTE = 1e6
FIELDS = {  # field of the budget: the quantity it limits, and how many of these its unit is
    "filters_removed": ("filters", 1.0),
    "params_removed": ("params", 1.0),
    "macs_removed": ("macs", 1.0),
    "artifact_mb_max": ("artifact_bytes", MEGABYTE),
    "memory_mb_max": ("memory_bytes", MEGABYTE),
    "latency_ms_max": ("latency_ms", 1.0),
}


def limits(
    budget: Budget, groups: Sequence[FilterGroup], cost: NetworkCost, floors: Floors, fraction: float = 1.0
) -> Limits:
    """Make ``budget`` concrete.

    Args:
        budget: what was asked for.
        groups: the groups that compete.
        cost: from `network_cost` with the same budget.
        floors: how far each group may shrink.
        fraction: of the way from the dense network to the budget: the stepping stones of turns and iterative schedules.

    Raises:
        BudgetError: the floors make the budget impossible, or milliseconds are asked without a table; the message says what is
            reachable and names the groups.
    """
    asked = budget.asked()
    if not asked:
        raise BudgetError(f"the budget is empty: give one or more of {', '.join(FIELDS)}")
    if "latency_ms_max" in asked and cost.latency is None:
        raise BudgetError(
            "budget.latency_ms_max needs to know the device: give device=table device.table=FILE, a table that 'easiedge latency' made on "
            "it, or device=this_machine (in Python: latency=load_table(FILE).network(model, groups, example_inputs))"
        )
    for field in asked:
        if FIELDS[field][0] not in cost.quantities:
            raise BudgetError(
                f"budget.{field} is limited but was not counted: pass the same budget= to network_cost, or no cost="
            )
    dense_ms = float(cost.totals(cost.sizes)[-1]) if "latency_ms_max" in asked else 1.0
    if not 0.0 < dense_ms < math.inf:
        raise BudgetError(
            f"the device's table says {dense_ms:g} ms for the dense network, which cannot be: make it anew with 'easiedge latency'"
        )
    goal = _limits(asked, groups, cost, floors, 1.0)
    _check_reachable(goal, asked, floors, groups)
    return goal if fraction >= 1.0 else _limits(asked, groups, cost, floors, fraction)


def _limits(
    asked: Mapping[str, float], groups: Sequence[FilterGroup], cost: NetworkCost, floors: Floors, fraction: float
) -> Limits:
    dense = cost.total(cost.sizes)
    most = dict.fromkeys(dense, np.inf)
    for field, value in asked.items():
        quantity, unit = FIELDS[field]
        total = dense[quantity]
        goes = value * total if field.endswith("_removed") else total - value * unit
        if goes > 0 or field.endswith("_removed") or quantity == "latency_ms":  # a smaller network may be slower
            left = total - fraction * goes
            most[quantity] = left if quantity == "latency_ms" else math.floor(left + ROUNDING * max(total, 1))
    if cost.memory is not None:  # operations that are within their limit with every unit can never be over it
        over = np.flatnonzero(cost.memory.constant + cost.memory.per_unit @ cost.sizes > most["memory_bytes"])
        cost = replace(cost, memory=cost.memory.rows(over) if len(over) else None)
    return Limits(cost, np.array([most[q] for q in cost.quantities]), floors.of(groups), floors.round_to)


def _check_reachable(goal: Limits, asked: Mapping[str, float], floors: Floors, groups: Sequence[FilterGroup]) -> None:
    least = dict[str, float]()
    over = set[str]()
    for quantity, value, most in zip(goal.cost.quantities, goal.least(), goal.most, strict=True):
        least[quantity] = max(least.get(quantity, 0.0), float(value))
        over |= {quantity} if value > most else set()
    if not over:
        return
    dense = goal.cost.total(goal.cost.sizes)
    said = [
        f"budget.{field}={asked[field]:g} is out of reach ({_reachable(field, least, dense)})"
        for field, (quantity, _) in FIELDS.items()
        if quantity in over
    ]
    within = [f"budget.{field}" for field in asked if FIELDS[field][0] not in over]
    others = f" while {' and '.join(within)} alone could be met" if within else ""
    bound = sorted(zip(goal.floor / goal.cost.sizes, (g.name for g in groups), strict=True), reverse=True)
    names = ", ".join(f"{name} ({share:.0%} kept)" for share, name in bound[:5])
    raise BudgetError(
        f"{' and '.join(said)} with {floors}{others}; "
        f"the floors bind in {names}{' and others' if len(bound) > 5 else ''}: ask for less or lower the floors"
    )


def _reachable(field: str, least: Mapping[str, float], dense: Mapping[str, float]) -> str:
    quantity, unit = FIELDS[field]
    if field.endswith("_removed"):
        return f"at most {1 - least[quantity] / dense[quantity]:.4f} can go"
    return f"at least {least[quantity] / unit:.4g} {field.split('_')[-2].replace('mb', 'MB')} remain"


def reduction(budget: Budget, cost: NetworkCost) -> float:
    """Largest share of any quantity that has to go; 0 where the dense network holds every limit."""
    dense = cost.total(cost.sizes)
    shares = [
        value if field.endswith("_removed") else 1 - value * FIELDS[field][1] / dense[FIELDS[field][0]]
        for field, value in budget.asked().items()
    ]
    return max(0.0, *shares)


def slack(budget: Budget, cost: NetworkCost) -> list[str]:
    """The limits that the dense network holds already, in words; nothing goes because of them."""
    dense = cost.total(cost.sizes)
    return [
        f"budget.{field}={value:g} (dense: {dense[FIELDS[field][0]] / FIELDS[field][1]:.4g})"
        for field, value in budget.asked().items()
        if field.endswith("_max") and dense[FIELDS[field][0]] <= value * FIELDS[field][1]
    ]
