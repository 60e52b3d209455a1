"""Small networks with coupled costs, random scores and budgets, for tests of the projection against enumeration."""

import numpy as np
from hypothesis import strategies as st
from networks import Plain, Residual, images

from easiedge.errors import BudgetError
from easiedge.model.cost import network_cost
from easiedge.model.filter_groups import find_groups
from easiedge.projection.budget import limits
from easiedge.projection.floors import Floors
from easiedge.projection.order import starts_of
from easiedge.projection.width_problem import width_problem
from easiedge.unit import Budget

X = images()
NETWORKS = {
    name: (groups := find_groups(model.eval(), X), network_cost(model, groups, X))
    for name, model in {
        "plain": Plain(a=4, b=3, hidden=3),
        "residual": Residual(width=4, inner=3),
        "wide": Plain(a=16, b=13, hidden=11),
    }.items()
}


@st.composite
def instances(draw, names=("plain", "residual"), round_to=(1, 2, 3), ties=False):
    """Groups, cost, scores ``[units]`` and reachable limits."""
    groups, cost = NETWORKS[draw(st.sampled_from(names))]
    units = sum(g.size for g in groups)
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    scale = np.repeat(10 ** rng.uniform(-1, 1, len(groups)), [g.size for g in groups])
    values = rng.integers(0, 4, units).astype(float) if ties else rng.random(units) * scale
    share = st.none() | st.sampled_from([0.1, 0.25, 0.4, 0.55, 0.7])
    budget = Budget(draw(share), draw(share), draw(share) or 0.3)
    floors = Floors(draw(st.integers(1, 2)), draw(st.sampled_from([1.0, 0.75])), draw(st.sampled_from(round_to)))
    try:
        bounds = limits(budget, groups, cost, floors)
    except BudgetError:
        bounds = limits(Budget(macs_removed=0.1), groups, cost, Floors())
    return groups, values, bounds


def problem_of(groups, values, bounds):
    """The widths to choose from."""
    return width_problem(values, starts_of(groups), bounds)


def fits(n, group, floor, to):
    """Whether a width is allowed."""
    return n >= floor and (n % to == 0 or n == group.size or n == floor)
