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
from easiedge.schedule.iterative import Iterative
from easiedge.schedule.outcome import Task
from easiedge.schedule.selection import Selection
from easiedge.surgery.measured_latency import ROUNDS, TOLERANCE, held
from easiedge.surgery.select import select
from easiedge.surgery.turns import fractions
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
        ends = [[f * share for f in fractions(share, 0.1)] for share in (small, large)]
        whole = ends[0][:-1]
        assert np.allclose(whole, ends[1][: len(whole)], atol=1e-12)
        assert fractions(small, 0.1)[-1] == 1.0
    assert fractions(0.0, 0.1) == [1.0] and fractions(0.4, 1.0) == [1.0] and len(fractions(0.3, 0.1)) == 3


@pytest.mark.parametrize("off", [0.8, 1.05, 1.2, 1.35])
@pytest.mark.parametrize("share", [0.4, 0.6, 0.8])
def test_on_a_device_of_large_steps_no_faster_choice_is_overlooked(off, share):
    """Whatever the steps, the choice holds the limit as measured; an aim that gives the same slow choice is stepped below."""
    latency = Stepped(network_cost(MODEL, GROUPS, X), block=8)
    dense = float(latency.total(np.array([float(g.size) for g in GROUPS])))
    budget = Budget(latency_ms_max=share * dense)
    goal = limits(budget, GROUPS, network_cost(MODEL, GROUPS, X, budget, latency), Floors())

    def measured(mask):
        return off * float(latency.total(np.array([float(mask.keep[g.name].sum()) for g in GROUPS])))

    assert measured(held(within(goal), goal, within, measured)) <= share * dense * (1 + TOLERANCE)


def test_a_dense_network_that_is_slower_than_its_table_says_is_pruned():
    budget = Budget(latency_ms_max=1.01 * DENSE)

    def clock(compact):
        return 1.3 * float(LATENCY.total(np.array([float(_units(compact, g)) for g in GROUPS])))

    mask = select(MODEL, GROUPS, [X], criterion="l1_magnitude", budget=budget, latency=LATENCY, clock=clock)
    assert 1.3 * predicted(mask) == pytest.approx(1.01 * DENSE, rel=TOLERANCE)


def test_iterative_pruning_holds_its_limit_as_measured():
    def clock(compact):
        return 1.2 * float(LATENCY.total(np.array([float(_units(compact, g)) for g in GROUPS])))

    selection = Selection(criterion="l1_magnitude", compensation=None, latency=LATENCY, clock=clock)
    task = Task(
        MODEL, GROUPS, BUDGET, selection, [(X, torch.zeros(len(X)).long())], lambda *a, **k: None, lambda m: 1.0, print
    )
    outcome = Iterative(steps=3, epochs=0)(task)
    assert clock(outcome.compact) == pytest.approx(BUDGET.latency_ms_max, rel=TOLERANCE)
    assert outcome.mask.kept() == {g.name: _units(outcome.compact, g) for g in GROUPS}
