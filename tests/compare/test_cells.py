"""Cells: all combinations, each once, trained alike, named apart."""

import itertools

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from easiedge.cli import conf_dir
from easiedge.compare.cells import plan
from easiedge.compare.request import request_of
from easiedge.configuration import composed
from easiedge.errors import EasiEdgeError


def planned(overrides=(), **given):
    cfg = composed(conf_dir(), []).compare
    return plan(request_of(OmegaConf.merge(cfg, given), 0), conf_dir(), list(overrides))


def test_every_combination_once_and_a_control_for_each_seed():
    found = planned(methods=["easiedge", "one_shot"], budgets=[0.3, 0.5, 0.7], seeds=3)
    settings = [(c.setting.method, c.setting.scope, c.setting.budget, c.seed) for c in found.cells]
    wanted = [
        *itertools.product(["easiedge", "one_shot"], ["global", "layerwise"], [0.3, 0.5, 0.7], range(3)),
        *(("", "", None, s) for s in range(3)),
    ]
    assert sorted(settings, key=str) == sorted(wanted, key=str)
    assert len({c.name for c in found.cells}) == len(found.cells)


def test_one_cell_of_each_seed_comes_first():
    found = planned(seeds=4, budgets=[0.3, 0.5])
    assert [c.seed for c in found.first] == [0, 1, 2, 3]
    without = planned(seeds=4, control=False)
    assert [c.seed for c in without.first] == [0, 1, 2, 3]
    assert not any(c.setting.control for c in without.cells)


@pytest.mark.parametrize("asked", [None, 30])
def test_all_train_for_equally_many_epochs(asked):
    methods = ["easiedge", "one_shot", "iterative", "iterative schedule.steps=4 schedule.epochs=2"]
    found = planned(["recipe.admm.epochs=2"], methods=methods, seeds=1, epochs=asked)
    totals = {}
    for cell in found.cells:
        cfg = composed(conf_dir(), [*cell.overrides])
        totals[cell.setting.method] = instantiate(cfg.schedule).training_epochs + cfg.recipe.finetune.epochs
    assert set(totals.values()) == {found.epochs} == {asked or 20 + 9}
    assert set(totals) == {"", *methods}


def test_criteria_cross_methods_and_stand_behind_their_names():
    found = planned(methods=["one_shot", "iterative"], criteria=["l1_magnitude", "random"], seeds=1, control=False)
    names = {c.setting.method for c in found.cells}
    assert names == {f"{m} {c}" for m in ("one_shot", "iterative") for c in ("l1_magnitude", "random")}
    for cell in found.cells:
        assert composed(conf_dir(), [*cell.overrides]).scoring.criterion == cell.setting.method.split()[1]


def test_each_cell_is_what_it_is_called():
    for cell in planned(
        ["data=digits", "scoring.chunk=0.2"], methods=["one_shot compensation=none"], by="macs_removed", budgets=[0.35]
    ).cells:
        cfg = composed(conf_dir(), [*cell.overrides])
        assert cfg.seed == cell.seed
        if cell.setting.control:
            assert cfg.schedule._target_.endswith("Unpruned") and cfg.budget.filters_removed == 0
        else:
            assert (cfg.projection.scope, cfg.budget.macs_removed, cfg.budget.filters_removed) == (
                cell.setting.scope,
                0.35,
                None,
            )
            assert cfg.compensation.name == "none" and cfg.scoring.chunk == 0.2


def test_names_of_methods_make_safe_and_distinct_directories():
    odd = ["one_shot scoring.options={a:1}", "one_shot scoring.options={a-1}", f"one_shot groups.include=[{'x' * 300}]"]
    from easiedge.compare.cell import Setting
    from easiedge.compare.cells import _cell, _slug

    taken: set[str] = set()
    names = [_cell(Setting(m, "global", 0.5), 0, _slug(m), [], m.split(), taken).name for m in odd]
    assert len(set(names)) == 3
    assert all(len(name) < 150 and name.replace("-", "").replace(".", "").replace("_", "").isalnum() for name in names)


@pytest.mark.parametrize(
    ("overrides", "given", "said"),
    [
        (["method=one_shot"], {}, "compare.methods"),
        (["projection=global"], {}, "compare.scopes"),
        (["scoring=random"], {"criteria": ["random"]}, "compare.criteria"),
        (["budget.filters_removed=0.5"], {}, "compare.budgets"),
        (["seed=0,1"], {}, "compare.methods"),
        (["scoring.criterion=apoz"], {"criteria": ["random"]}, "compare.criteria"),
        (
            [],
            {"methods": ["one_shot scoring.criterion=apoz"], "criteria": ["random"]},
            "and projection and scoring too",
        ),
        ([], {"methods": ["one_shot scoring=apoz"], "criteria": ["random"]}, "and projection and scoring too"),
        ([], {"methods": ["one_shot hydra.run.dir=x"]}, "compare and hydra"),
        ([], {"methods": ["one_shot compare.seeds=1"]}, "compare and hydra"),
        ([], {"methods": ["control: one_shot"]}, "another name"),
        ([], {"methods": ["one_shot projection=global"]}, "and projection and scoring too"),
        ([], {"epochs": 5}, "leaves no fine-tuning"),
    ],
)
def test_what_a_comparison_sets_itself_is_refused(overrides, given, said):
    with pytest.raises(EasiEdgeError, match=said):
        planned(overrides, **given)


def test_an_unknown_method_is_refused_with_those_that_exist():
    with pytest.raises(Exception, match="one_shot"):
        planned(methods=["magic"])


def test_the_control_has_no_budget_wherever_others_have_theirs_from():
    first = planned(["experiment=vgg16_cifar10", "++budget.macs_removed=0.4"], by="params_removed", seeds=1).first[0]
    budget = composed(conf_dir(), [*first.overrides]).budget
    assert first.setting.control and {k: v for k, v in budget.items() if v is not None} == {"filters_removed": 0}


@pytest.mark.parametrize("name", sorted(p.stem for p in (conf_dir() / "experiment").glob("global_vs_layerwise_*.yaml")))
def test_the_experiments_plan_what_their_readme_says(name):
    cfg = composed(conf_dir(), [f"experiment={name}"])
    request = request_of(cfg.compare, cfg.seed)
    found = plan(request, conf_dir(), [f"experiment={name}"])
    assert len(found.cells) == len(request.seeds) * (1 + 3 * 3 * 2 * 3)
    assert len(request.seeds) >= (10 if name.endswith("digits") else 3)
    for cell in found.cells[:: 7 * len(request.seeds)]:
        assert composed(conf_dir(), [*cell.overrides]).recipe.finetune.epochs >= 1


def test_a_name_before_a_method_stands_in_tables_and_directories():
    found = planned(
        methods=["ours: easiedge schedule.iterations=2", "one_shot"], seeds=1, scopes=["global"], control=False
    )
    assert [c.setting.method for c in found.cells] == ["ours", "one_shot"]
    assert [c.name for c in found.cells] == [
        "ours-global-filters_removed-0.5-seed0",
        "one_shot-global-filters_removed-0.5-seed0",
    ]
    assert composed(conf_dir(), [*found.cells[0].overrides]).schedule.iterations == 2


def test_without_scopes_each_method_has_its_own():
    methods = ["easiedge", "classic: one_shot scoring=l1_magnitude projection=layerwise"]
    found = planned(methods=methods, seeds=1, scopes=[], control=False)
    assert [(c.setting.method, c.setting.scope) for c in found.cells] == [
        ("easiedge", "global"),
        ("classic", "layerwise"),
    ]
    for cell in found.cells:
        assert composed(conf_dir(), [*cell.overrides]).projection.scope == cell.setting.scope
    assert {c.setting.scope for c in planned(["projection=layerwise"], methods=["one_shot"], scopes=[]).cells} == {
        "",
        "layerwise",
    }


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        (["a: easiedge", "a: one_shot"], "'a' twice"),
        (["a: one_shot projection=layerwise"], "compare.scopes=.. and compare.criteria=.. leave"),
    ],
)
def test_names_that_clash_and_scopes_that_are_set_twice_are_refused(methods, says):
    with pytest.raises(EasiEdgeError, match=says):
        planned(methods=methods, seeds=1)
