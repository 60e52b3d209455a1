"""Recipes, schedules and optimisers."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf
from training import tiny

from easiedge.assembly import make_recipe
from easiedge.errors import TrainingError
from easiedge.training.learning_rate import SCHEDULES, constant, cosine, one_cycle
from easiedge.training.optimization import make_optimizer
from easiedge.training.recipe import Recipe


@pytest.mark.parametrize(
    "field",
    [
        {"optimizer": "lion"}, {"schedule": "steps"}, {"lr": 0.0}, {"lr": float("nan")}, {"epochs": 0}, {"weight_decay": -1.0},
        {"warmup": 1.5}, {"label_smoothing": -0.1}, {"distillation": 2.0}, {"temperature": 0.0}, {"gradient_clip": 0.0}, {"momentum": 0.0},
    ],
)  # fmt: skip
def test_values_that_cannot_train_are_refused(field: dict) -> None:
    with pytest.raises(TrainingError, match=next(iter(field))):
        Recipe(**field)


@pytest.mark.parametrize(
    ("field", "interval"),
    [("lr", "(0, inf)"), ("weight_decay", "[0, inf)"), ("warmup", "[0, 1]"), ("temperature", "(0, inf)")],
)
@pytest.mark.parametrize("value", [float("inf"), "x"])
def test_the_interval_is_that_which_is_taken(field: str, interval: str, value: object) -> None:
    with pytest.raises(TrainingError) as error:
        Recipe(**{field: value})
    assert str(error.value).endswith(interval)


@pytest.mark.parametrize("name", ["train", "admm", "finetune"])
@pytest.mark.parametrize(
    ("field", "value"),
    [("lr", float("inf")), ("optimizer", "lion"), ("schedule", "x"), ("nesterov", 3), ("momentum", 0)],
)
def test_the_recipe_of_the_three_is_named(name: str, field: str, value: object) -> None:
    target = {"_target_": "easiedge.training.recipe.Recipe"}
    cfg = OmegaConf.create({"recipe": dict.fromkeys(("train", "admm", "finetune"), target)})
    assert make_recipe(cfg, name) == Recipe()
    cfg.recipe[name][field] = value
    with pytest.raises(TrainingError, match=rf"recipe\.{name}\.{field}"):
        make_recipe(cfg, name)


def test_schedules_start_peak_and_end_where_they_say() -> None:
    assert one_cycle(0.0, 0.25) == pytest.approx(0.04)
    assert one_cycle(0.25, 0.25) == pytest.approx(1.0)
    assert cosine(0.0, 0.0) == pytest.approx(1.0)
    assert constant(0.05, 0.1) == pytest.approx(0.5)
    assert constant(0.5, 0.1) == 1.0
    for name in ("one_cycle", "cosine"):
        assert SCHEDULES[name](1.0, 0.25) == pytest.approx(1e-3)
    for schedule in SCHEDULES.values():
        for warmup in (0.0, 0.3, 1.0):
            assert all(0.0 <= schedule(i / 50, warmup) <= 1.0 for i in range(51))


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_norms_and_biases_decay_only_when_asked(name: str) -> None:
    net = tiny.network()
    sets = make_optimizer(net, Recipe(optimizer=name, weight_decay=0.1)).param_groups
    by_decay = {s["weight_decay"]: {id(p) for p in s["params"]} for s in sets}
    assert by_decay[0.1] == {id(net[0].weight), id(net[5].weight)}
    assert by_decay[0.0] == {id(net[0].bias), id(net[1].weight), id(net[1].bias), id(net[5].bias)}
    everything = make_optimizer(net, Recipe(optimizer=name, weight_decay=0.1, decay_norm_and_bias=True)).param_groups
    assert [s["weight_decay"] for s in everything] == [0.1]


def test_frozen_parameters_are_not_optimised() -> None:
    net = tiny.network()
    net[0].requires_grad_(False)
    held = {id(p) for s in make_optimizer(net, Recipe()).param_groups for p in s["params"]}
    assert id(net[0].weight) not in held
    assert id(net[5].weight) in held
