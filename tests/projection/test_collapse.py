"""The collapse guard: exactly at its boundary, what it says, and that following its advice helps."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import Plain

from easiedge.errors import BudgetError
from easiedge.model.cost import network_cost
from easiedge.model.filter_groups import find_groups
from easiedge.projection.budget import Floors
from easiedge.projection.collapse import CollapseGuard
from easiedge.projection.project import project
from easiedge.surgery.select import select
from easiedge.unit import Budget, FilterGroup, FilterMask, FilterScores

X = torch.randn(2, 2, 8, 8)
MODEL = Plain(a=40, b=60, hidden=20).eval()
GROUPS = find_groups(MODEL, X)
COST = network_cost(MODEL, GROUPS, X)


def group(name, size):
    return FilterGroup(name, size, (), (), {})


def mask_of(**kept):
    groups = [group(name, size) for name, (_, size) in kept.items()]
    return FilterMask({name: torch.arange(size) < n for name, (n, size) in kept.items()}), groups


def scores_against(thin):
    """Scores that make ``thin`` go first."""
    return FilterScores(
        {g.name: torch.linspace(1, 2, g.size).double() * (0.01 if g.name == thin else 1.0) for g in GROUPS}, "test"
    )


@pytest.mark.parametrize(("size", "least"), [(20, 1), (40, 2), (60, 3), (340, 17), (1000, 50), (21, 2), (512, 26)])
def test_losing_exactly_the_share_is_no_collapse_and_one_unit_more_is(size, least):
    guard = CollapseGuard(0.95, "error")
    mask, groups = mask_of(a=(least, size))
    assert guard.check(mask, groups) == frozenset()
    mask, groups = mask_of(a=(least - 1, size), b=(5, 5))
    with pytest.raises(BudgetError, match=rf"a \({least - 1} of {size} kept\)"):
        guard.check(mask, groups)


@given(st.integers(1, 3000), st.sampled_from([0.3, 0.5, 0.9, 0.95, 0.99, 0.999]))
def test_the_floor_of_the_same_share_never_collapses(size, share):
    g = group("a", size)
    least = int(Floors(max_ratio=share).of([g])[0])
    assert not CollapseGuard(share).collapsed(least, size)
    assert least == 1 or CollapseGuard(share).collapsed(least - 1, size)


def test_each_action(caplog):
    mask, groups = mask_of(a=(1, 40), b=(60, 60))
    assert CollapseGuard(action="ignore").check(mask, groups) == frozenset()
    assert not caplog.records
    assert CollapseGuard(action="warn").check(mask, groups) == {"a"}
    (record,) = caplog.records
    assert record.levelname == "WARNING" and "a (1 of 40 kept)" in record.getMessage()
    assert "b (" not in record.getMessage()
    with pytest.raises(BudgetError, match="stops here: nothing has been removed"):
        CollapseGuard(action="error").check(mask, groups)


def test_what_was_told_is_not_told_again_but_news_is(caplog):
    guard = CollapseGuard()
    mask, groups = mask_of(a=(1, 40), b=(60, 60))
    told = guard.check(mask, groups)
    assert guard.check(mask, groups, told) == told and len(caplog.records) == 1
    mask, groups = mask_of(a=(1, 40), b=(1, 60))
    assert guard.check(mask, groups, told) == {"a", "b"} and len(caplog.records) == 2
    with pytest.raises(BudgetError):
        CollapseGuard(action="error").check(mask, groups, {"a", "b"})


def test_the_thinnest_are_named_first_and_the_others_counted(caplog):
    mask, groups = mask_of(**{f"g{i}": (i + 1, 1000) for i in range(12)}, rest=(900, 1000))
    CollapseGuard().check(mask, groups)
    text = caplog.text
    assert "g0 (1 of 1000 kept), g1 (2 of 1000 kept)" in text and "g7 (8 of 1000 kept) and 4 more" in text
    assert "g8" not in text


def test_following_the_advice_mends_it_within_the_same_budget(caplog):
    budget = Budget(filters_removed=0.4)
    project(scores_against("conv2"), GROUPS, budget=budget, cost=COST)
    assert "conv2 (1" not in caplog.text and not caplog.records  # 48 units of 60 go: no collapse
    budget = Budget(filters_removed=0.5)
    before = project(scores_against("conv2"), GROUPS, budget=budget, cost=COST)
    assert before.kept()["conv2"] == 1 and "conv2 (1 of 60 kept)" in caplog.text
    ratio = float(re.search(r"projection\.max_ratio=([\d.]+)", caplog.text).group(1))
    units = int(re.search(r"projection\.min_units=(\d+)", caplog.text).group(1))
    assert (ratio, units) == (0.95, 3)
    for floor in ({"max_ratio": ratio}, {"min_units": units}):
        mask = project(scores_against("conv2"), GROUPS, budget=budget, cost=COST, collapse="error", **floor)
        assert mask.kept()["conv2"] == 3
        assert mask.share_removed() == pytest.approx(before.share_removed())


def test_no_floor_is_advised_where_none_can_help(caplog):
    project(scores_against("conv2"), GROUPS, budget=Budget(filters_removed=0.97), cost=COST)
    assert "max_ratio" not in caplog.text and "ask for less" in caplog.text


def test_min_units_is_not_advised_where_a_small_group_could_not_shrink(caplog):
    mask, groups = mask_of(wide=(2, 2000), small=(4, 8), rest=(900, 1000))
    CollapseGuard().check(mask, groups)
    assert "projection.max_ratio=0.95" in caplog.text and "min_units" not in caplog.text


@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("removed", [0.9, 0.97, (120 - 3) / 120])
def test_every_layer_is_alive_by_default_at_extreme_budgets(scope, removed):
    for thin in ("conv1", "conv2", "fc1"):
        mask = project(
            scores_against(thin),
            GROUPS,
            budget=Budget(filters_removed=removed),
            scope=scope,
            cost=COST,
            collapse="ignore",
        )
        assert min(mask.kept().values()) >= 1 and mask.share_removed() >= removed - 1e-9


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_macs_at_the_very_bottom_leave_every_layer_alive(scope):
    least = 1 - COST.totals(COST.sizes * 0 + 1)[2] / COST.dense["macs"]
    mask = project(
        scores_against("conv1"), GROUPS, budget=Budget(macs_removed=least), scope=scope, cost=COST, collapse="ignore"
    )
    assert set(mask.kept().values()) == {1}


def test_select_asks_the_guard_when_it_is_done(caplog):
    request = {"budget": Budget(filters_removed=0.97), "criterion": "l1_magnitude", "chunk": 0.5}
    with pytest.raises(BudgetError, match="over 95 %"):
        select(MODEL, GROUPS, [X], collapse="error", **request)
    assert not caplog.records
    select(MODEL, GROUPS, [X], **request)
    assert len(caplog.records) == 1
    select(MODEL, GROUPS, [X], collapse="ignore", **request)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"collapse": "explode"}, "warn, error, ignore"),
        ({"collapse": False}, "collapse=False"),
        ({"collapse_share": 1.0}, "outside"),
        ({"collapse_share": 0}, "outside"),
        ({"collapse_share": float("nan")}, "outside"),
        ({"collapse_share": "much"}, "outside"),
        ({"collapse_share": True}, "outside"),
    ],
)
def test_wrong_values_are_refused_before_any_work(change, message):
    with pytest.raises(BudgetError, match=message):
        project(None, None, budget=Budget(filters_removed=0.5), **change)
    with pytest.raises(BudgetError, match=message):
        select(None, None, None, budget=Budget(filters_removed=0.5), **change)
