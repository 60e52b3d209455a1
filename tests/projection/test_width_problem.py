"""Widths instead of masks: the same costs as the network's own count, the same losses as the units themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import images, network
from width_instances import instances, problem_of

from easiedge.model.activation_memory import peak_memory
from easiedge.model.cost import network_cost
from easiedge.model.filter_groups import find_groups
from easiedge.projection.budget import limits
from easiedge.projection.floors import Floors
from easiedge.projection.limits import allowed_widths
from easiedge.projection.order import starts_of
from easiedge.projection.width_problem import best_units
from easiedge.unit import Budget

KINDS = ("Plain", "Residual", "Depthwise", "Concatenation", "Grouped")


@pytest.mark.parametrize("kind", KINDS)
def test_costs_are_those_that_the_network_counts(kind):
    model, x = network(kind), images()
    groups = find_groups(model, x)
    budget = Budget(0.1, 0.2, 0.3, memory_mb_max=0.8 * peak_memory(model, x) / 1e6)
    bounds = limits(budget, groups, network_cost(model, groups, x, budget), Floors())
    problem = problem_of(groups, np.ones(sum(g.size for g in groups)), bounds)
    rng = np.random.default_rng(0)
    for _ in range(10):
        index = np.array([rng.integers(len(w)) for w in problem.widths])
        kept = problem.width(index)
        limited = np.isfinite(bounds.most)
        assert problem.used(index) == pytest.approx((bounds.cost.totals(kept) / bounds.most)[limited])
        for g in range(len(groups)):
            fewer = index.copy()
            fewer[g] = 0
            change = kept[g] - problem.widths[g][0]
            square = 0.5 * problem.quadratic[:, g, g] * (kept[g] ** 2 - problem.widths[g][0] ** 2)
            assert problem.used(index) - problem.used(fewer) == pytest.approx(
                problem.slope(kept, g) * change + square, abs=1e-12
            )


@given(instances(ties=True), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_losses_are_the_sums_of_the_lowest_scores(instance, seed):
    groups, values, _ = instance
    problem = problem_of(*instance)
    rng = np.random.default_rng(seed)
    index = np.array([rng.integers(len(w)) for w in problem.widths])
    alive = best_units(values, starts_of(groups), problem.width(index))
    assert np.add.reduceat(alive, starts_of(groups)[:-1]).tolist() == problem.width(index).tolist()
    assert values[~alive].sum() == pytest.approx(problem.value(index))
    assert problem.index(problem.width(index)).tolist() == index.tolist()


@pytest.mark.parametrize(
    ("size", "floor", "to", "widths"),
    [
        (5, 1, 1, [1, 2, 3, 4, 5]),
        (10, 4, 4, [4, 8, 10]),
        (10, 10, 4, [10]),
        (3, 5, 2, [3]),
        (8, 8, 8, [8]),
        (9, 3, 2, [3, 4, 6, 8, 9]),
    ],
)
def test_allowed_widths(size, floor, to, widths):
    assert allowed_widths(size, floor, to).tolist() == widths
