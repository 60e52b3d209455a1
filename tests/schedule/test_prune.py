"""Pruning from end to end in plain Python, and as a callback in a LightningModule that is not ours."""

import itertools

import pytest
import pytorch_lightning as pl
import torch
from networks import network
from problem import accuracy, batches, trained
from torch import nn

import easiedge
from easiedge.admm import Stopping
from easiedge.errors import EasiEdgeError
from easiedge.schedule.admm import Admm
from easiedge.schedule.iterative import Iterative
from easiedge.schedule.selection import Selection
from easiedge.training.recipe import Recipe
from easiedge.training.stages import Stages

RECIPE = Recipe(lr=0.02, weight_decay=0.0, schedule="constant", warmup=0.0)


@pytest.fixture(scope="module")
def dense():
    return trained(network("Residual"))


@pytest.mark.parametrize("method", ["easiedge", "one_shot", "iterative"])
def test_every_method_meets_the_budget_and_keeps_the_accuracy(dense, method):
    before = {k: v.clone() for k, v in dense.state_dict().items()}
    schedule = {"iterative": Iterative(steps=3), "easiedge": Admm(iterations=2)}.get(method)
    compact = easiedge.prune(
        dense, batches(8, 1), batches(2, 2), budget=easiedge.Budget(macs_removed=0.4), method=method, epochs=2, recipe=RECIPE,
        schedule=schedule, calibration_images=64, progress=False,
    )  # fmt: skip
    x = batches(1, 0)[0][0]
    assert easiedge.count(compact, x)["macs"] <= 0.6 * easiedge.count(dense, x)["macs"]
    assert accuracy(compact) > accuracy(dense) - 0.1
    assert not compact.training
    assert all(torch.equal(before[k], v) for k, v in dense.state_dict().items())


@pytest.mark.parametrize(("unchanged", "tuned"), [(4, [3]), (1, [5])])
def test_epochs_that_admm_does_not_need_train_the_smaller_network(dense, unchanged, tuned, monkeypatch):
    """Once the mask is settled there is no reason to go on with the large network."""
    epochs = []
    train = Stages.train

    def spy(self, network, **given):
        if given.get("stage") == "fine-tuning":
            epochs.append(given["epochs"])
        return train(self, network, **given)

    monkeypatch.setattr(Stages, "train", spy)
    stopping = Stopping(unchanged=unchanged, tolerance=None)
    compact = easiedge.prune(
        dense, batches(2, 1), batches(1, 2), budget=easiedge.Budget(filters_removed=0.5), epochs=3, recipe=RECIPE,
        schedule=Admm(iterations=3, stopping=stopping, rho=1e-6), selection=Selection(criterion="random", compensation=None),
        calibration_images=32, progress=False,
    )  # fmt: skip
    assert epochs == tuned and compact is not None


def test_the_same_seed_gives_the_same_network(dense):
    made = [
        easiedge.prune(
            dense, batches(4, 1), batches(1, 2), budget=easiedge.Budget(filters_removed=0.5), epochs=1, recipe=RECIPE,
            schedule=Admm(iterations=1), calibration_images=32, progress=False,
        ).state_dict()
        for _ in range(2)
    ]  # fmt: skip
    assert all(torch.equal(made[0][k], v) for k, v in made[1].items())


def test_iterative_stops_before_it_loses_too_much(dense, caplog):
    caplog.set_level("INFO")
    x = batches(1, 0)[0][0]
    compact = easiedge.prune(
        dense, batches(4, 1), batches(2, 2), budget=easiedge.Budget(filters_removed=0.7), method="iterative", epochs=0, recipe=RECIPE,
        schedule=Iterative(steps=4, epochs=0, tolerance=0.0), selection=Selection(criterion="random", compensation=None), progress=False,
    )  # fmt: skip
    assert "stopped" in caplog.text
    assert easiedge.count(compact, x)["params"] > 0.3 * easiedge.count(dense, x)["params"]


def test_iterative_checks_its_tolerance_after_the_last_step_too(dense, caplog):
    caplog.set_level("INFO")
    x = batches(1, 0)[0][0]
    compact = easiedge.prune(
        dense, batches(4, 1), batches(2, 2), budget=easiedge.Budget(filters_removed=0.75), method="iterative", epochs=0, recipe=RECIPE,
        schedule=Iterative(steps=1, epochs=0, tolerance=0.0), selection=Selection(criterion="random", compensation=None), progress=False,
    )  # fmt: skip
    assert "stopped" in caplog.text
    assert easiedge.count(compact, x) == easiedge.count(dense, x)


class Foreign(pl.LightningModule):
    """As anyone might write it."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.rates = []

    def on_train_epoch_start(self):
        self.rates.append(self.optimizers().param_groups[0]["lr"])

    def training_step(self, batch, index):
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.02, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 3)]


def trainer(callback, epochs):
    return pl.Trainer(
        max_epochs=epochs, callbacks=[callback], logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip


def loader(count, seed):
    data = [(x, y) for xs, ys in batches(count, seed) for x, y in zip(xs, ys, strict=True)]
    return torch.utils.data.DataLoader(data, batch_size=32)


@pytest.mark.filterwarnings(
    "ignore:.*does not have many workers:UserWarning", "ignore:.*fewer than the logging interval:UserWarning"
)
def test_callback_in_a_foreign_module_replaces_the_network_and_goes_on_training(dense):
    module = Foreign(trained(network("Residual")).train())
    callback = easiedge.GlobalPruning(easiedge.Budget(filters_removed=0.5), calibration_images=64, iterations=2)
    trainer(callback, 4).fit(module, loader(8, 1))
    assert callback.mask is not None and callback.mask.share_removed() >= 0.5
    assert len(callback.records) == 2 and set(callback.records[0]) >= {
        "primal_residual",
        "dual_residual",
        "rho",
        "flipped",
    }
    kept = sum(callback.mask.kept().values())
    assert kept == sum(g.size for g in easiedge.find_groups(module.net, batches(1, 0)[0][0]))
    assert accuracy(module.net) > accuracy(dense) - 0.1
    assert module.rates == [0.02, 0.02, 0.02, pytest.approx(0.002)]  # the schedule goes on where it was


@pytest.mark.filterwarnings(
    "ignore:.*does not have many workers:UserWarning", "ignore:.*fewer than the logging interval:UserWarning"
)
@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            lambda: easiedge.GlobalPruning(easiedge.Budget(filters_removed=0.5), network="nowhere", iterations=1),
            "nowhere",
        ),
        (lambda: easiedge.GlobalPruning(easiedge.Budget(filters_removed=0.5), iterations=9), "ends before"),
    ],
)
def test_callback_refuses_what_cannot_work(callback, message):
    with pytest.raises(EasiEdgeError, match=message):
        trainer(callback(), 2).fit(Foreign(network("Residual").train()), loader(2, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, "unknown method"),
        ({"train_batches": []}, "no training batches"),
        ({"budget": easiedge.Budget(macs_removed=0.999)}, "out of reach"),
    ],
)
def test_wrong_requests_are_refused(dense, change, message):
    request = {
        "train_batches": batches(1, 1),
        "val_batches": batches(1, 2),
        "budget": easiedge.Budget(filters_removed=0.5),
        **change,
    }
    with pytest.raises(EasiEdgeError, match=message):
        easiedge.prune(dense, progress=False, **request)


def test_iterative_records_what_every_removal_cost(dense):
    schedule, seen = Iterative(steps=3), []

    class Watched(Iterative):
        def __call__(self, task):
            outcome = schedule(task)
            seen.append((outcome, task.validate(outcome.compact)))
            return outcome

    easiedge.prune(
        dense, batches(4, 1), batches(2, 2), budget=easiedge.Budget(filters_removed=0.6), method="iterative", epochs=1, recipe=RECIPE,
        schedule=Watched(), selection=Selection(criterion="random", compensation=None), progress=False,
    )  # fmt: skip
    ((outcome, last),) = seen
    levels = outcome.levels
    assert [lv["filters_removed"] for lv in levels] == pytest.approx([0.2, 0.4, 0.6], abs=0.08)
    assert all(a["params"] > b["params"] and a["macs"] > b["macs"] for a, b in itertools.pairwise(levels))
    assert all(0 <= lv["accuracy_before"] <= 1 and lv["kept"] for lv in levels)
    assert [lv["accuracy"] is None for lv in levels] == [False, False, True]  # the last is tuned by the run
    assert levels[-1]["accuracy_before"] == last


def test_a_level_that_is_taken_back_is_marked(dense):
    seen = []

    class Watched(Iterative):
        def __call__(self, task):
            seen.append(super().__call__(task))
            return seen[-1]

    easiedge.prune(
        dense, batches(4, 1), batches(2, 2), budget=easiedge.Budget(filters_removed=0.7), method="iterative", epochs=0, recipe=RECIPE,
        schedule=Watched(steps=4, epochs=0, tolerance=0.0), selection=Selection(criterion="random", compensation=None), progress=False,
    )  # fmt: skip
    kept = [level["kept"] for level in seen[0].levels]
    assert kept[-1] is False and all(kept[:-1]) and not seen[0].reached
