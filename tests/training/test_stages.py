"""Stages: fine-tuning never hands back a network that is worse on validation data than the one it was given."""

import csv
import math

import pytest
import torch
from pytorch_lightning import Callback
from safetensors.torch import load_file
from torch import nn

from easiedge.errors import TrainingError
from easiedge.training.curves import Curves
from easiedge.training.evaluate import accuracy, accuracy_and_loss
from easiedge.training.recipe import Recipe
from easiedge.training.stages import Stages


def batches(seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(64, 4, generator=g)
    return [(x, (x[:, 0] > 0).long())]


def perfect():
    net = nn.Linear(4, 2)
    with torch.no_grad():
        net.weight.zero_()
        net.bias.zero_()
        net.weight[1, 0] = 50.0
    return net


def stages(lr):
    recipes = {"finetune": Recipe(epochs=2, lr=lr, momentum=0.0, nesterov=False, schedule="constant")}
    return Stages(batches(0), batches(1), recipes, progress=False)


def test_the_start_stays_when_training_only_harms():
    net = perfect()
    before = net.weight.clone()
    wrong = [(x, 1 - y) for x, y in batches(0)]
    harmful = Stages(wrong, batches(1), stages(50.0).recipes, progress=False)
    harmful.train(net, keep_start=True)
    assert torch.equal(net.weight, before)
    harmful.train(net, keep_start=False)
    assert not torch.equal(net.weight, before)


def test_training_that_helps_is_kept():
    torch.manual_seed(0)
    net = nn.Linear(4, 2)
    before = accuracy_and_loss(net, batches(1))
    stages(1.0).train(net, keep_start=True)
    assert accuracy_and_loss(net, batches(1)) > before


def test_accuracy_and_loss_by_hand():
    net = perfect()
    right, loss = accuracy_and_loss(net, batches(1))
    assert right == accuracy(net, batches(1)) == 1.0
    ((x, y),) = batches(1)
    assert loss == nn.functional.cross_entropy(net(x), y).item()


def test_curves_hold_every_epoch_of_every_stage_and_nothing_of_an_earlier_run(tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text("left by an earlier run\n")
    recipes = {
        "finetune": Recipe(epochs=2, lr=0.5, schedule="constant"),
        "train": Recipe(epochs=3, lr=0.1, schedule="cosine"),
    }
    trained = Stages(batches(0), batches(1), recipes, progress=False, curves=Curves(path))
    network = nn.Linear(4, 2)
    first = trained.train(network, recipe="train", stage="dense training")
    trained.train(network, stage="fine-tuning, a, b")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [(r["stage"], int(r["epoch"])) for r in rows] == [
        *(("dense training", e) for e in range(3)),
        *(("fine-tuning, a, b", e) for e in range(2)),
    ]
    assert [float(r["val_accuracy"]) for r in rows[:3]] == pytest.approx(
        [e["val_accuracy"] for e in first.history], rel=1e-5
    )
    assert float(rows[0]["lr"]) > float(rows[1]["lr"]) and float(rows[3]["lr"]) == 0.5
    assert all(float(r["train_loss"]) > 0 and float(r["val_loss"]) > 0 for r in rows)


def test_training_that_begins_too_fast_starts_again_slower(tmp_path, caplog):
    """Labels turned round: one large step unlearns them, a sixty-fourth of it does not."""
    wrong = [(x, 1 - y) for x, y in batches(0)]
    recipes = {
        "finetune": Recipe(
            epochs=3, lr=8.0, momentum=0.0, nesterov=False, weight_decay=0.0, schedule="constant", distillation=0.0
        )
    }
    network = nn.Linear(4, 2)
    with torch.no_grad():
        network.weight.copy_(perfect().weight / 50)
        network.bias.zero_()
    start = {k: v.clone() for k, v in network.state_dict().items()}
    trained = Stages(wrong, batches(1), recipes, progress=False, curves=Curves(tmp_path / "curves.csv"))
    trained.train(network, keep_start=True)
    rows = list(csv.DictReader((tmp_path / "curves.csv").read_text().splitlines()))
    fast = [float(row["lr"]) for row in rows if row["stage"] == "finetune, too fast"]
    slow = [float(row["lr"]) for row in rows if row["stage"] == "finetune"]
    assert fast == [8.0 * 0.25**i for i in range(len(fast))] and 1 <= len(fast) <= 3
    assert slow == [8.0 * 0.25 ** len(fast)] * 3
    assert all(float(row["val_loss"]) > math.log(2) for row in rows[: len(fast)])
    assert caplog.text.count("starts again with a learning rate of") == len(fast)
    assert all(torch.equal(start[k], v) for k, v in network.state_dict().items())  # wrong labels never make it better


def test_a_network_that_knows_nothing_yet_is_trained_as_asked(tmp_path):
    trained = Stages(
        batches(0),
        batches(1),
        {"finetune": Recipe(epochs=2, lr=0.1)},
        progress=False,
        curves=Curves(tmp_path / "curves.csv"),
    )
    network = nn.Linear(4, 2)
    with torch.no_grad():
        network.weight.copy_(-perfect().weight)
        network.bias.zero_()
    trained.train(network, keep_start=True)
    assert [r["stage"] for r in csv.DictReader((tmp_path / "curves.csv").read_text().splitlines())] == ["finetune"] * 2


def test_a_network_worse_than_guessing_that_gets_worse_still_starts_again_too(tmp_path):
    """What a refit after the loss of a whole layer leaves; here labels turned round make it worse at any learning rate."""
    wrong = [(x, 1 - y) for x, y in batches(0)]
    network = nn.Linear(4, 2)
    with torch.no_grad():
        network.weight.copy_(-0.1 * perfect().weight)
        network.bias.zero_()
    before = accuracy_and_loss(network, batches(1))[1]
    assert before > math.log(2)
    recipes = {
        "finetune": Recipe(epochs=2, lr=8.0, momentum=0.0, nesterov=False, schedule="constant", distillation=0.0)
    }
    trained = Stages(wrong, batches(1), recipes, progress=False, curves=Curves(tmp_path / "curves.csv"))
    trained.train(network, keep_start=True)
    rows = list(csv.DictReader((tmp_path / "curves.csv").read_text().splitlines()))
    fast = [row for row in rows if row["stage"] == "finetune, too fast"]
    assert [float(row["lr"]) for row in fast] == [8.0, 2.0, 0.5]
    assert all(float(row["val_loss"]) > before for row in fast)


class Poison(Callback):
    """Makes a weight infinite in that epoch of that training, counted from 0."""

    def __init__(self, *when):
        self.when, self.training = when, -1

    def on_train_start(self, trainer, module):
        self.training += 1

    def on_train_epoch_start(self, trainer, module):
        if (self.training, trainer.current_epoch) in self.when:
            module.network.weight.data[0, 0] = float("inf")


def poisoned(tmp_path, *when):
    torch.manual_seed(0)
    recipes = {
        "finetune": Recipe(epochs=5, lr=0.4, momentum=0.0, nesterov=False, schedule="constant", distillation=0.0)
    }
    made = Stages(
        batches(0), batches(1), recipes, progress=False, directory=tmp_path, curves=Curves(tmp_path / "curves.csv")
    )
    network = nn.Linear(4, 2)
    return network, lambda: made.train(network, callbacks=[Poison(*when)], keep_best=False)


def test_an_overflow_goes_on_from_the_last_good_epoch_with_a_smaller_step(tmp_path, caplog):
    network, train = poisoned(tmp_path, (0, 2))
    result = train()
    rows = list(csv.DictReader((tmp_path / "curves.csv").read_text().splitlines()))
    assert [float(row["lr"]) for row in rows] == [0.4, 0.4, 0.1, 0.1, 0.1]  # as many epochs as were asked for
    assert len(result.history) == 5 and torch.isfinite(network.weight).all()
    assert "goes on from the end of epoch 2 with a learning rate of 0.1" in caplog.text


def test_an_overflow_in_the_first_epoch_goes_on_from_the_start(tmp_path, caplog):
    _, train = poisoned(tmp_path, (0, 0))
    assert len(train().history) == 5
    assert "goes on from the start with a learning rate of 0.1" in caplog.text


def test_a_second_overflow_stops_with_a_report_and_the_last_good_weights(tmp_path):
    network, train = poisoned(tmp_path, (0, 2), (1, 1))
    with pytest.raises(TrainingError, match="finetune-last-good") as stopped:
        train()
    assert "lower the learning rate" in str(stopped.value)
    saved = load_file(tmp_path / "checkpoints" / "finetune-last-good.safetensors")
    assert torch.equal(saved["weight"], network.weight) and torch.isfinite(saved["weight"]).all()
