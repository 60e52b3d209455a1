"""A limit in milliseconds against clocks that disagree with the table."""

import itertools

import numpy as np
import pytest
import torch
from networks import Plain, images
from stepped import Stepped

from easiedge.model.cost import network_cost
from easiedge.model.filter_groups import find_groups
from easiedge.projection.budget import limits
from easiedge.projection.floors import Floors
from easiedge.projection.project import choose
from easiedge.surgery.measured_latency import ROUNDS, TOLERANCE, held
from easiedge.surgery.select import select, turns
from easiedge.unit import Budget, FilterScores

MODEL, X = Plain(a=40, b=40, hidden=40).eval(), images()
GROUPS = find_groups(MODEL, X)
LATENCY = Stepped(network_cost(MODEL, GROUPS, X), block=1)
DENSE = float(LATENCY.total(np.array([float(g.size) for g in GROUPS])))
BUDGET = Budget(latency_ms_max=0.5 * DENSE)
GOAL = limits(BUDGET, GROUPS, network_cost(MODEL, GROUPS, X, BUDGET, LATENCY), Floors())
SCORES = FilterScores(
    {g.name: torch.rand(g.size, generator=torch.Generator().manual_seed(i)).double() for i, g in enumerate(GROUPS)},
    "test",
)


def predicted(mask):
    return float(LATENCY.total(np.array([float(mask.keep[g.name].sum()) for g in GROUPS])))


def within(bounds):
    return choose(SCORES, GROUPS, bounds, "global")


@pytest.mark.parametrize("off", [0.7, 0.9, 1.0, 1.1, 1.4])
def test_the_limit_holds_as_measured_and_is_used(off):
    """The device is faster or slower than its table by a factor: the choice ends within the tolerance of the limit on it."""
    mask = held(within(GOAL), GOAL, within, lambda m: off * predicted(m))
    assert off * predicted(mask) == pytest.approx(0.5 * DENSE, rel=TOLERANCE)


def test_a_constant_that_the_table_forgot_is_found_too():
    mask = held(within(GOAL), GOAL, within, lambda m: 0.1 * DENSE + predicted(m))
    assert 0.1 * DENSE + predicted(mask) == pytest.approx(0.5 * DENSE, rel=TOLERANCE)


def test_a_device_that_cannot_be_that_fast_gets_the_fastest_choice_and_it_is_said(caplog):
    asked = []

    def clock(mask):
        asked.append(predicted(mask))
        return DENSE + predicted(mask)

    mask = held(within(GOAL), GOAL, within, clock)
    assert predicted(mask) == min(asked) < 0.5 * DENSE
    assert len(asked) <= ROUNDS
    assert "above its limit" in caplog.text


@pytest.mark.parametrize("chunk", [1.0, 0.2])
@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_a_selection_by_turns_holds_its_limit_as_measured(chunk, scope):
    def clock(compact):
        return 1.15 * float(LATENCY.total(np.array([float(_units(compact, g)) for g in GROUPS])))

    options = {"criterion": "l1_magnitude", "budget": BUDGET, "latency": LATENCY, "chunk": chunk, "scope": scope}
    mask = select(MODEL, GROUPS, [X], clock=clock, **options)
    assert 1.15 * predicted(mask) == pytest.approx(BUDGET.latency_ms_max, rel=2 * TOLERANCE)
    assert 1.15 * predicted(mask) <= BUDGET.latency_ms_max * (1 + TOLERANCE)
    assert 1.15 * predicted(select(MODEL, GROUPS, [X], **options)) > BUDGET.latency_ms_max * (1 + TOLERANCE)


def _units(compact, group):
    return compact.get_submodule(group.name).weight.shape[0]


def test_turns_of_a_smaller_budget_are_the_first_ones_of_a_larger():
    for small, large in itertools.pairwise([0.25, 0.3, 0.5, 0.7]):
        ends = [[f * share for f in turns(share, 0.1)] for share in (small, large)]
        whole = ends[0][:-1]
        assert np.allclose(whole, ends[1][: len(whole)], atol=1e-12)
        assert turns(small, 0.1)[-1] == 1.0
    assert turns(0.0, 0.1) == [1.0] and turns(0.4, 1.0) == [1.0] and len(turns(0.3, 0.1)) == 3
