"""The mixed-integer program against every mask of small networks with coupled costs."""

import numpy as np
import pytest
from hypothesis import given, settings
from oracle import feasible
from width_instances import NETWORKS, fits, instances, problem_of

from easiedge.errors import EasiEdgeError
from easiedge.projection.budget import limits
from easiedge.projection.exact import exact_widths
from easiedge.projection.floors import Floors
from easiedge.projection.order import starts_of
from easiedge.unit import Budget


def least_of_all_masks(groups, values, bounds):
    starts = starts_of(groups)
    best = np.inf
    for mask in feasible(groups, bounds.cost, bounds.most, bounds.floor):
        kept = mask.kept()
        if all(fits(kept[g.name], g, f, bounds.round_to) for g, f in zip(groups, bounds.floor, strict=True)):
            gone = np.concatenate([~mask.keep[g.name].numpy() for g in groups])
            best = min(best, float(values[gone].sum()))
    assert len(values) == starts[-1]
    return best


@given(instances())
@settings(max_examples=15, deadline=None)
def test_no_mask_within_limits_loses_less(instance):
    groups, values, bounds = instance
    problem = problem_of(*instance)
    found = exact_widths(problem)
    assert problem.met(found)
    assert problem.value(found) == pytest.approx(least_of_all_masks(groups, values, bounds), abs=1e-12)


def test_time_that_is_too_short_is_said():
    groups, cost = NETWORKS["wide"]
    values = np.random.default_rng(0).random(sum(g.size for g in groups))
    bounds = limits(Budget(params_removed=0.5, macs_removed=0.5), groups, cost, Floors())
    with pytest.raises(EasiEdgeError, match="within 1e-09 s"):
        exact_widths(problem_of(groups, values, bounds), seconds=1e-9)
