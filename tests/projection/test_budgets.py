"""Every kind of budget, alone and together, for every scope and kind of score: met, and not by more than need be."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Plain, Residual, images
from stepped import Stepped

from easiedge.errors import BudgetError
from easiedge.model.cost import network_cost
from easiedge.model.filter_groups import find_groups
from easiedge.projection.budget import FIELDS, limits, slack
from easiedge.projection.floors import Floors
from easiedge.projection.layerwise_topk import shares_alike
from easiedge.projection.order import starts_of
from easiedge.projection.project import project
from easiedge.scoring.score import score
from easiedge.surgery.select import select
from easiedge.unit import Budget, FilterScores, Interaction

X = images()
MODELS = {"plain": Plain(a=14, b=12, hidden=9).eval(), "residual": Residual(width=8, inner=10).eval()}
GROUPS = {name: find_groups(model, X) for name, model in MODELS.items()}
EVERY = Budget(0.1, 0.1, 0.1, 1e9, 1e9, 1e9)


def cost_of(name, budget=EVERY, block=4):
    plain = network_cost(MODELS[name], GROUPS[name], X)
    return network_cost(MODELS[name], GROUPS[name], X, budget, Stepped(plain, block))


def budget_of(name, shares):
    """A budget by the share of each quantity that goes, of what can go with one unit a group."""
    cost = cost_of(name)
    dense, least = cost.total(cost.sizes), cost.total(np.ones(len(cost.sizes)))
    found = {}
    for field, share in shares.items():
        quantity, unit = FIELDS[field]
        goes = share * (dense[quantity] - least[quantity])
        found[field] = goes / dense[quantity] if field.endswith("_removed") else (dense[quantity] - goes) / unit
    return Budget(**found)


def scores_of(name, kind, seed):
    groups = GROUPS[name]
    units = sum(g.size for g in groups)
    g = torch.Generator().manual_seed(seed)
    rows = torch.randn(3 * units, units, generator=g, dtype=torch.float64)
    rows = rows * (0.1 + torch.rand(units, generator=g)) / (3 * units) ** 0.5
    form = Interaction(
        tuple(q.name for q in groups), torch.zeros(units), rows=rows, readjust=0.1 if kind == "readjusted" else 0.0
    )
    values = form.diagonal() / 2
    starts = starts_of(groups)
    each = {q.name: values[a:b] for q, (a, b) in zip(groups, itertools.pairwise(starts), strict=True)}
    return FilterScores(each, "information_gain", None if kind == "single" else form)


shares = st.dictionaries(st.sampled_from(list(FIELDS)), st.sampled_from([0.3, 0.5, 0.7, 0.85]), min_size=1, max_size=6)


@given(
    st.sampled_from(list(MODELS)), shares, st.sampled_from(["single", "joint", "readjusted"]),
    st.sampled_from(["global", "layerwise"]), st.sampled_from([1, 2]), st.integers(0, 50),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_every_combination_holds_and_no_unit_could_come_back(name, wanted, kind, scope, to, seed):
    groups, budget = GROUPS[name], budget_of(name, wanted)
    cost = cost_of(name, budget)
    try:
        bounds = limits(budget, groups, cost, Floors(round_to=to))
    except BudgetError:  # an odd floor of one unit is rounded up to two
        assert to > 1
        return
    mask = project(scores_of(name, kind, seed), groups, budget=budget, scope=scope, cost=cost, round_to=to)
    kept = np.array([float(mask.keep[g.name].sum()) for g in groups])
    total = cost.total(kept)
    for field, value in budget.asked().items():
        quantity, unit = FIELDS[field]
        dense = cost.dense[quantity]
        most = (1 - value) * dense if field.endswith("_removed") else value * unit
        assert total[quantity] <= most + 1e-6 * dense
    if scope == "global" and to == 1:
        for g in range(len(groups)):
            more = kept.copy()
            more[g] += 1
            assert kept[g] == cost.sizes[g] or not bounds.met(more)


def least_loss(scores, groups, cost, bounds):
    """The least possible loss over all widths, by going through them."""
    sums = [np.concatenate([[0.0], np.cumsum(np.sort(scores.values[g.name].numpy()))])[::-1] for g in groups]
    best = np.inf
    for kept in itertools.product(*(range(1, g.size + 1) for g in groups)):
        lost = sum(s[n] for s, n in zip(sums, kept, strict=True))
        if lost < best and bounds.met(np.array(kept, dtype=float)):
            best = lost
    return best


@pytest.mark.parametrize("name", list(MODELS))
def test_milliseconds_in_steps_against_all_widths(name):
    """With milliseconds alone and beside others, the choice is within a tenth of the best of all on average."""
    groups, ratios = GROUPS[name], []
    for seed, share in itertools.product(range(3), (0.3, 0.6)):
        for others in ({}, {"params_removed": 0.4}, {"memory_mb_max": 0.4}):
            budget = budget_of(name, {"latency_ms_max": share, **others})
            cost, scores = cost_of(name, budget), scores_of(name, "single", seed)
            bounds = limits(budget, groups, cost, Floors())
            mask = project(scores, groups, budget=budget, cost=cost)
            lost = sum(float(scores.values[n][~k].sum()) for n, k in mask.keep.items())
            best = least_loss(scores, groups, cost, bounds)
            assert lost >= best - 1e-12
            ratios.append(lost / best)
    assert np.mean(ratios) < 1.1, ratios


@pytest.mark.parametrize("kind", ["single", "joint", "readjusted"])
def test_units_go_to_the_next_aligned_width_where_that_is_what_saves(kind):
    """A limit just below the dense network's time: one block of one group goes, all four units of it, and nothing else."""
    cost = cost_of("residual")
    dense = float(cost.latency.total(cost.sizes))
    budget = Budget(latency_ms_max=dense * 0.999)
    cost = cost_of("residual", budget)
    mask = project(scores_of("residual", kind, 0), GROUPS["residual"], budget=budget, cost=cost)
    kept = np.array([float(n) for n in mask.kept().values()])
    assert float(cost.latency.total(kept)) <= dense * 0.999
    outputs = cost.out0 + cost.makes @ kept
    changed = outputs != cost.out0 + cost.makes @ cost.sizes
    assert changed.any() and (outputs[changed] % 4 == 0).all()


def test_what_the_dense_network_holds_already_is_said():
    cost = cost_of("plain", Budget(latency_ms_max=1e6, memory_mb_max=1e-3))
    said = slack(Budget(latency_ms_max=1e6, memory_mb_max=1e-3), cost)
    assert len(said) == 1 and "latency_ms_max=1e+06" in said[0]
    mask = project(
        scores_of("plain", "single", 0), GROUPS["plain"], budget=Budget(latency_ms_max=1e6), cost=cost_of("plain")
    )
    assert mask.share_removed() == 0


@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("to", [1, 2])
@pytest.mark.parametrize(
    "wanted", [{"macs_removed": 0.4}, {"memory_mb_max": 0.6}, {"latency_ms_max": 0.5, "params_removed": 0.3}]
)
def test_a_selection_in_one_turn_is_the_projection(scope, to, wanted):
    name = "plain"
    budget = budget_of(name, wanted)
    latency = cost_of(name, budget).latency
    options = {"scope": scope, "budget": budget, "round_to": to, "latency": latency}
    scores = score(MODELS[name], GROUPS[name], [X], criterion="l1_magnitude")
    projected = project(scores, GROUPS[name], model=MODELS[name], example_inputs=X, **options)
    selected = select(MODELS[name], GROUPS[name], [X], criterion="l1_magnitude", chunk=1.0, **options)
    assert all(bool((selected.keep[g] == keep).all()) for g, keep in projected.keep.items())


def test_equal_shares_only_fall_as_more_units_go():
    bounds = limits(Budget(filters_removed=0.5), GROUPS["plain"], cost_of("plain"), Floors(round_to=2))
    sizes = cost_of("plain").sizes
    rooms = int((sizes - bounds.floor).sum())
    lost = np.stack([shares_alike(total, bounds) for total in range(rooms + 1)])
    assert (np.diff(lost, axis=0) >= 0).all() and (lost[-1] == sizes - bounds.floor).all()
    free = limits(Budget(filters_removed=0.5), GROUPS["plain"], cost_of("plain"), Floors())
    for total in range(int((sizes - 1).sum()) + 1):
        lost = shares_alike(total, free)
        assert lost.sum() == total
        room = lost < sizes - 1
        assert np.abs(lost - total * sizes / sizes.sum())[room].max(initial=0) <= 1 or not room.all()


def test_the_least_time_is_looked_for_off_the_common_alignments():
    """One group is fast at multiples of 8 only, the others with every unit less: the least is at widths of different alignment."""

    class Odd(Stepped):
        def total(self, n):
            n = np.asarray(n, dtype=float)
            return 1 + n[..., 0] + np.where(n[..., 1] % 8 == 0, n[..., 1] / 8, 10) + n[..., 2]

    cost = network_cost(MODELS["plain"], GROUPS["plain"], X)
    budget = Budget(latency_ms_max=5.0)
    timed = network_cost(MODELS["plain"], GROUPS["plain"], X, budget, Odd(cost))
    mask = project(scores_of("plain", "single", 0), GROUPS["plain"], budget=budget, cost=timed)
    assert float(timed.latency.total(np.array([float(n) for n in mask.kept().values()]))) <= 5.0


def test_a_cost_that_does_not_count_what_is_limited_is_refused():
    cost = network_cost(MODELS["plain"], GROUPS["plain"], X)
    for budget in (Budget(memory_mb_max=0.01), Budget(artifact_mb_max=0.01)):
        with pytest.raises(BudgetError, match="pass the same budget= to network_cost"):
            project(scores_of("plain", "single", 0), GROUPS["plain"], budget=budget, cost=cost)


@pytest.mark.parametrize("ms", [float("nan"), float("inf"), -1.0, 0.0])
def test_a_device_whose_milliseconds_cannot_be_is_refused(ms):
    class Broken(Stepped):
        def total(self, n):
            return np.full(np.asarray(n).shape[:-1], ms)

    budget = Budget(latency_ms_max=1.0)
    cost = network_cost(
        MODELS["plain"], GROUPS["plain"], X, budget, Broken(network_cost(MODELS["plain"], GROUPS["plain"], X))
    )
    with pytest.raises(BudgetError, match="which cannot be"):
        project(scores_of("plain", "single", 0), GROUPS["plain"], budget=budget, cost=cost)


@pytest.mark.parametrize(
    "floors", [{"min_units": "3"}, {"min_units": 2.5}, {"round_to": 2.5}, {"round_to": True}, {"max_ratio": "x"}]
)
def test_floors_of_the_wrong_kind_are_refused(floors):
    with pytest.raises(BudgetError, match=next(iter(floors))):
        Floors(**floors)


@pytest.mark.parametrize("field", ["latency_ms_max", "memory_mb_max", "artifact_mb_max"])
@pytest.mark.parametrize("value", [0, 0.0, -1, float("nan"), float("inf"), True, "5"])
def test_limits_that_mean_nothing_are_refused(field, value):
    with pytest.raises(BudgetError, match=f"budget.{field}="):
        Budget(**{field: value})


def test_milliseconds_without_a_device_are_refused():
    budget = Budget(latency_ms_max=1.0)
    with pytest.raises(BudgetError, match="device=table device"):
        project(
            scores_of("plain", "single", 0), GROUPS["plain"], budget=budget, model=MODELS["plain"], example_inputs=X
        )


def test_a_latency_of_other_groups_is_refused():
    from easiedge.errors import EasiEdgeError

    other = Stepped(network_cost(MODELS["residual"], GROUPS["residual"], X))
    with pytest.raises(EasiEdgeError, match="other groups"):
        network_cost(MODELS["plain"], GROUPS["plain"], X, Budget(latency_ms_max=1.0), other)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(memory_mb_max=1e-4), ["memory_mb_max=0.0001", "at least 0.00"]),
        (Budget(artifact_mb_max=1e-4), ["artifact_mb_max=0.0001", "MB remain"]),
        (Budget(latency_ms_max=1e-4), ["latency_ms_max=0.0001", "ms remain"]),
        (Budget(params_removed=0.999), ["params_removed=0.999", "can go"]),
        (
            Budget(filters_removed=0.1, macs_removed=0.999, memory_mb_max=1e-4),
            ["macs_removed=0.999", "and budget.memory_mb_max", "while budget.filters_removed alone could be met"],
        ),
    ],
)
def test_a_budget_below_the_floor_names_what_binds_and_what_can_be_reached(budget, words):
    with pytest.raises(BudgetError) as raised:
        limits(budget, GROUPS["plain"], cost_of("plain", budget), Floors())
    for word in [*words, "min_units=1", "the floors bind in"]:
        assert word in str(raised.value)


def test_what_is_said_to_be_reachable_is():
    for field, (quantity, unit) in FIELDS.items():
        if field.endswith("_max"):
            impossible = Budget(**{field: 1e-6})
            with pytest.raises(BudgetError) as raised:
                limits(impossible, GROUPS["plain"], cost_of("plain", impossible), Floors(min_units=3))
            least = float(str(raised.value).split("at least ")[1].split()[0]) * 1.001
            budget = Budget(**{field: least})
            mask = project(
                scores_of("plain", "joint", 0),
                GROUPS["plain"],
                budget=budget,
                cost=cost_of("plain", budget),
                min_units=3,
            )
            assert cost_of("plain", budget).total(mask.kept())[quantity] <= least * unit
