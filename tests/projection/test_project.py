"""The projection against enumeration, and its promises: budgets never missed, never over by more than a unit."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Plain, images, network
from oracle import feasible

from easiedge.errors import BudgetError, EasiEdgeError
from easiedge.model.cost import network_cost
from easiedge.model.filter_groups import find_groups
from easiedge.projection.budget import limits
from easiedge.projection.floors import Floors
from easiedge.projection.joint_greedy import joint_gain
from easiedge.projection.project import project
from easiedge.unit import Budget, FilterScores, Interaction

MODEL, X = network("Plain"), images()
GROUPS = find_groups(MODEL, X)
COST = network_cost(MODEL, GROUPS, X)
UNITS = sum(g.size for g in GROUPS)


def scores_of(values):
    start, found = 0, {}
    for g in GROUPS:
        found[g.name] = torch.tensor(values[start : start + g.size], dtype=torch.float64)
        start += g.size
    return FilterScores(found, "information_gain")


def lost(scores, mask):
    return sum(float(scores.values[n][~k].sum()) for n, k in mask.keep.items())


values = st.lists(st.integers(0, 5).map(float), min_size=UNITS, max_size=UNITS)


@given(values, st.integers(0, UNITS - 3), st.integers(1, 3), st.sampled_from(["global", "layerwise"]))
@settings(max_examples=150, deadline=None)
def test_with_equal_costs_exactly_k_units_go_and_floors_hold(v, k, floor, scope):
    k = min(k, UNITS - 3 * floor)
    mask = project(
        scores_of(v), GROUPS, budget=Budget(filters_removed=k / UNITS), scope=scope, cost=COST, min_units=floor
    )
    kept = mask.kept()
    assert UNITS - sum(kept.values()) == k
    assert all(n >= floor for n in kept.values())


@given(values, st.integers(0, UNITS - 3))
@settings(max_examples=25, deadline=None)
def test_global_choice_is_the_best_of_all_subsets_with_equal_costs(v, k):
    """Separable scores and floors: the least possible sum, found by going through all kept counts per group."""
    scores = scores_of(v)
    mask = project(scores, GROUPS, budget=Budget(filters_removed=k / UNITS), cost=COST)
    sums = [[0.0, *itertools.accumulate(sorted(scores.values[g.name].tolist()))] for g in GROUPS]
    best = min(
        sum(s[r] for s, r in zip(sums, removed, strict=True))
        for removed in itertools.product(*[range(g.size) for g in GROUPS])
        if sum(removed) == k
    )
    assert lost(scores, mask) == pytest.approx(best)


@given(
    values,
    st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.85]),
    st.sampled_from(["params_removed", "macs_removed", "both"]),
    st.sampled_from(["global", "layerwise"]),
)
@settings(max_examples=120, deadline=None)
def test_unequal_costs_never_miss_the_budget_and_waste_no_unit(v, share, what, scope):
    budget = Budget(params_removed=share, macs_removed=share / 2) if what == "both" else Budget(**{what: share})
    mask = project(scores_of(v), GROUPS, budget=budget, scope=scope, cost=COST)
    bounds = limits(budget, GROUPS, COST, Floors())
    kept = torch.tensor([float(mask.kept()[g.name]) for g in GROUPS]).double().numpy()
    assert bounds.met(kept)
    if scope == "global":  # no removed unit could be put back
        for g in range(len(GROUPS)):
            if kept[g] < COST.sizes[g]:
                more = kept.copy()
                more[g] += 1
                assert not bounds.met(more)


def test_greedy_under_coupled_costs_is_close_to_the_best_of_all_masks():
    """Enumerates every mask of a small network; the greedy choice is within a fifth of the best on average."""
    from networks import Plain

    model = Plain(a=4, b=3, hidden=3).eval()
    groups = find_groups(model, X)
    cost = network_cost(model, groups, X)
    ratios = []
    for seed in range(8):
        g = torch.Generator().manual_seed(seed)
        scores = FilterScores(
            {q.name: torch.rand(q.size, generator=g).double() + 0.05 for q in groups}, "information_gain"
        )
        budget = Budget(macs_removed=0.5, params_removed=0.4)
        bounds = limits(budget, groups, cost, Floors())
        best = min(lost(scores, m) for m in feasible(groups, cost, bounds.most, bounds.floor))
        found = lost(scores, project(scores, groups, budget=budget, cost=cost))
        assert found >= best - 1e-12
        ratios.append(found / best)
    assert sum(ratios) / len(ratios) < 1.2


def ascending(scores, groups):
    """(group, unit) of all units, the lowest score first."""
    units = [(g.name, i) for g in groups for i in range(g.size)]
    return sorted(units, key=lambda unit: float(scores.values[unit[0]][unit[1]]))


@pytest.mark.parametrize("seed", range(6))
def test_scores_that_are_no_losses_only_rank_until_the_budget_holds(seed):
    """The removed are among the shortest run of lowest scores that is enough, its last one with them; a loss would be weighed."""
    model = Plain(a=12, b=9, hidden=20).eval()
    groups = find_groups(model, X)
    cost = network_cost(model, groups, X)
    g = torch.Generator().manual_seed(seed)
    values = {q.name: torch.rand(q.size, generator=g).double() + 0.05 for q in groups}
    ranked, budget = FilterScores(values, "l1_magnitude"), Budget(macs_removed=0.6)
    order, bounds = ascending(ranked, groups), limits(budget, groups, cost, Floors())
    sizes = {q.name: q.size for q in groups}
    enough = next(n for n in range(len(order)) if bounds.met(np.array([sizes[q.name] - sum(name == q.name for name, _ in order[:n]) for q in groups], dtype=float)))  # fmt: skip
    assert all(sum(name == q.name for name, _ in order[:enough]) < q.size for q in groups), "no floor plays a part here"

    def removed(scores, ranking):
        mask = project(scores, groups, budget=budget, cost=cost, ranking=ranking)
        return {(name, i) for name, keep in mask.keep.items() for i in (~keep).nonzero().flatten().tolist()}

    for found in (removed(ranked, "auto"), removed(FilterScores(values, "information_gain"), "score")):
        assert found <= set(order[:enough]) and order[enough - 1] in found
    weighed = removed(ranked, "per_cost")
    assert weighed == removed(FilterScores(values, "information_gain"), "auto")
    assert seed != 0 or weighed != removed(ranked, "auto"), "with some scores both happen to agree"


@pytest.mark.parametrize("ranking", ["cost", -1, float("nan"), float("inf"), True, None])
def test_an_unknown_ranking_is_refused(ranking):
    with pytest.raises(
        EasiEdgeError,
        match=rf"projection.ranking={ranking} is unknown: choose auto, per_cost, score, or the power of the cost",
    ):
        project(scores_of(range(UNITS)), GROUPS, budget=Budget(filters_removed=0.5), cost=COST, ranking=ranking)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("power", [0.5, 2, 3.0])
def test_losses_are_held_against_a_power_of_the_cost(seed, power):
    """The unit with the least loss per cost**power goes, costs are counted anew, until the budget holds; then what fits comes back."""
    model = Plain(a=12, b=9, hidden=20).eval()
    groups, budget = find_groups(model, X), Budget(macs_removed=0.6)
    cost = network_cost(model, groups, X, budget)
    g = torch.Generator().manual_seed(seed)
    scores = FilterScores({q.name: torch.rand(q.size, generator=g).double() + 0.05 for q in groups}, "information_gain")
    at = cost.quantities.index("macs")
    most = limits(budget, groups, cost, Floors()).most[at]
    left = {q.name: sorted(range(q.size), key=lambda i, q=q: float(scores.values[q.name][i])) for q in groups}

    def macs(gone=()):
        return float(cost.totals(np.array([len(left[q.name]) - (q.name in gone) for q in groups], dtype=float))[at])

    def price(name):
        saved = min((macs() - macs([name])) / (macs() - most), 1.0)
        return float(scores.values[name][left[name][0]]) / saved**power

    while macs() > most:
        left[min((name for name in left if len(left[name]) > 1), key=price)].pop(0)
    found = project(scores, groups, budget=budget, cost=cost, ranking=power)
    kept = {name: set(keep.nonzero().flatten().tolist()) for name, keep in found.keep.items()}
    assert all(set(left[name]) <= kept[name] for name in left)
    assert sum(map(len, kept.values())) <= sum(map(len, left.values())) + 4, "little comes back at the end"


def interaction(seed, rows=30, duplicate=True):
    g = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, UNITS, generator=g)
    if duplicate:
        matrix[:, 1] = matrix[:, 0]  # two units that say the same: one may go almost free, both not
        matrix[:, 3] = -matrix[:, 2]  # two units that cancel
    return Interaction(
        tuple(q.name for q in GROUPS), 0.1 * torch.rand(UNITS, generator=g).double(), rows=matrix / rows**0.5
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 2, 3])
def test_joint_greedy_against_every_subset(seed, k):
    """For one unit the greedy choice is the best; for more it is compared with all subsets of that size."""
    form = interaction(seed)
    gain = 0.5 * form.diagonal().double() - form.gradient
    start, found = 0, {}
    for g in GROUPS:
        found[g.name] = gain[start : start + g.size]
        start += g.size
    scores = FilterScores(found, "joint_information_gain", form)
    mask = project(scores, GROUPS, budget=Budget(filters_removed=k / UNITS), cost=COST)
    removed = ~torch.cat([mask.keep[g.name] for g in GROUPS])
    assert int(removed.sum()) == k
    every = []
    for subset in itertools.combinations(range(UNITS), k):
        s = torch.zeros(UNITS, dtype=torch.bool)
        s[list(subset)] = True
        every.append(joint_gain(form, s))
    mine, best = joint_gain(form, removed), min(every)
    if k == 1:
        assert mine == pytest.approx(best)
    assert sum(e < mine - 1e-9 for e in every) <= 0.05 * len(every)  # among the best 5 % of all subsets


def test_joint_choice_sees_cancelling_units_that_single_scores_do_not():
    form = interaction(0)
    removed = torch.zeros(UNITS, dtype=torch.bool)
    removed[[2, 3]] = True
    alone = float(0.5 * form.diagonal()[2])
    assert joint_gain(form, removed) + float(form.gradient[2] + form.gradient[3]) == pytest.approx(0, abs=1e-6)
    assert alone > 0.1


@given(values, st.sampled_from([2, 4]), st.sampled_from([0.2, 0.5, 0.7]), st.sampled_from(["global", "layerwise"]))
@settings(max_examples=60, deadline=None)
def test_round_to_gives_multiples_or_full_widths(v, to, share, scope):
    if Floors(round_to=to).of(GROUPS).sum() > UNITS - math.ceil(share * UNITS):
        return
    mask = project(scores_of(v), GROUPS, budget=Budget(filters_removed=share), scope=scope, cost=COST, round_to=to)
    assert all(n % to == 0 or n == g.size for g, n in zip(GROUPS, mask.kept().values(), strict=True))
    assert mask.share_removed() >= share


def test_extremes():
    v = scores_of([1.0] * UNITS)
    assert project(v, GROUPS, budget=Budget(filters_removed=0), cost=COST).share_removed() == 0
    most = (UNITS - 3) / UNITS
    assert set(project(v, GROUPS, budget=Budget(filters_removed=most), cost=COST).kept().values()) == {1}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda v: Budget(filters_removed=1.0), "outside"),
        (lambda v: Budget(macs_removed=-0.1), "outside"),
        (lambda v: Budget(params_removed=float("nan")), "outside"),
        (lambda v: project(v, GROUPS, budget=Budget(latency_ms_max=3.0), cost=COST), "needs to know the device"),
        (lambda v: project(v, GROUPS, budget=Budget(), cost=COST), "empty"),
        (
            lambda v: project(v, GROUPS, budget=Budget(filters_removed=0.9), cost=COST, min_units=4),
            "the floors bind in conv2",
        ),
        (
            lambda v: project(v, GROUPS, budget=Budget(filters_removed=0.5), cost=COST, min_units={"nowhere": 2}),
            "unknown groups",
        ),
        (lambda v: project(v, GROUPS, budget=Budget(filters_removed=0.5), cost=COST, min_units=0), "at least 1"),
        (lambda v: project(v, GROUPS, budget=Budget(filters_removed=0.5), cost=COST, max_ratio=2), "outside"),
        (
            lambda v: project(v, GROUPS, budget=Budget(filters_removed=0.5), cost=COST, scope="sideways"),
            "unknown scope",
        ),
        (lambda v: project(v, GROUPS, budget=Budget(filters_removed=0.5)), "pass model="),
    ],
)
def test_wrong_requests_are_refused(make, message):
    with pytest.raises(EasiEdgeError, match=message):
        make(scores_of([1.0] * UNITS))


def test_budget_error_is_an_easiedge_error():
    assert issubclass(BudgetError, EasiEdgeError)
