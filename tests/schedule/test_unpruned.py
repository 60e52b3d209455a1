"""The control keeps every unit; and what schedules say they train is what they train."""

import pytest
import torch
from networks import network
from problem import batches, trained

import easiedge
from easiedge.admm import Stopping
from easiedge.schedule.admm import Admm
from easiedge.schedule.iterative import Iterative
from easiedge.schedule.one_shot import OneShot
from easiedge.schedule.unpruned import Unpruned
from easiedge.training.recipe import Recipe
from easiedge.training.stages import Stages

RECIPE = Recipe(lr=0.02, weight_decay=0.0, schedule="constant", warmup=0.0)


@pytest.fixture(scope="module")
def dense():
    return trained(network("Residual"))


def pruned(dense, schedule, epochs=0):
    return easiedge.prune(
        dense, batches(2, 1), batches(1, 2), budget=easiedge.Budget(filters_removed=0.5), epochs=epochs, recipe=RECIPE, schedule=schedule,
        calibration_images=64, progress=False,
    )  # fmt: skip


def test_every_unit_stays_whatever_the_budget(dense):
    x = batches(1, 0)[0][0]
    kept = pruned(dense, Unpruned())
    assert easiedge.count(kept, x) == easiedge.count(dense, x)
    assert torch.allclose(kept(x), dense(x), atol=1e-5)


def test_the_control_is_fine_tuned(dense):
    x = batches(1, 0)[0][0]
    assert not torch.allclose(pruned(dense, Unpruned(), epochs=1)(x), dense(x), atol=1e-5)


@pytest.mark.parametrize(
    "schedule",
    [
        Unpruned(),
        OneShot(),
        Admm(iterations=2, epochs_per_iteration=2, stopping=Stopping(tolerance=0.0)),
        Iterative(steps=3, epochs=2),
        Iterative(steps=3, tolerance=0.9),
    ],
    ids=str,
)
def test_training_epochs_are_those_that_are_trained(dense, schedule, monkeypatch):
    used = []
    train = Stages.train

    def counted(self, net, **options):
        found = train(self, net, **options)
        used.append(len(found.history))
        return found

    monkeypatch.setattr(Stages, "train", counted)
    pruned(dense, schedule)
    assert sum(used) == schedule.training_epochs
