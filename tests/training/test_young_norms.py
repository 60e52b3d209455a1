"""Epochs in the first steps of fine-tuning are judged by batch norms that know the network as it is, later ones by training's own."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from easiedge.training.evaluate import accuracy
from easiedge.training.norm_statistics import renew_norm_statistics
from easiedge.training.recipe import Recipe
from easiedge.training.stages import Stages
from easiedge.training.young_norms import FORGOTTEN, YoungNorms

RECIPE = Recipe(epochs=1, lr=0.02, weight_decay=0.0, schedule="constant", warmup=0.0)


def problem(batches):
    """Two classes, told apart by the mean of an image."""
    drawn = torch.Generator().manual_seed(0)
    y = torch.randint(0, 2, (32 * batches,), generator=drawn)
    x = torch.randn(32 * batches, 1, 4, 4, generator=drawn) + (2.0 * y - 1).view(-1, 1, 1, 1)
    return DataLoader(TensorDataset(x, y), batch_size=32)


def network(momentum=0.1):
    """Its norm believes in a mean far from that of its inputs, as after the removal of what made them."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8, momentum=momentum), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)
    )
    net[1].running_mean.fill_(30.0)
    return net


def trained(batches, calibration, recipe="finetune", net=None):
    net = net or network()
    loader = problem(batches)
    stages = Stages(loader, problem(4), {"finetune": RECIPE, "train": RECIPE}, progress=False, calibration=calibration)
    return net, stages.train(net, recipe=recipe).history[-1]["val_accuracy"]


def test_a_short_epoch_is_judged_by_the_network_that_was_trained():
    calibration = list(problem(3))
    stale, guessed = trained(4, ())
    net, judged = trained(4, calibration)
    assert judged > guessed + 0.2
    assert judged == pytest.approx(accuracy(net, problem(4)))
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), stale.parameters(), strict=True))  # trained alike
    mean = net[1].running_mean.clone()
    renew_norm_statistics(net, calibration)
    torch.testing.assert_close(net[1].running_mean, mean)


@pytest.mark.parametrize(("batches", "recipe"), [(50, "finetune"), (4, "train")])
def test_later_epochs_and_dense_training_keep_the_averages_of_training(batches, recipe):
    mine, theirs = trained(batches, list(problem(3)), recipe)[0], trained(batches, (), recipe)[0]
    assert torch.equal(mine[1].running_mean, theirs[1].running_mean)


@pytest.mark.parametrize(("momentum", "steps"), [(0.1, 44), (0.5, 7), (None, 0)])
def test_how_long_a_norm_is_young(momentum, steps):
    assert YoungNorms(network(momentum), ()).steps == steps
    if momentum:
        assert (1 - momentum) ** steps <= FORGOTTEN < (1 - momentum) ** (steps - 1)


def test_networks_without_running_averages_are_left_alone():
    assert YoungNorms(nn.Linear(2, 2), ()).steps == 0
    assert YoungNorms(nn.BatchNorm1d(2, track_running_stats=False), ()).steps == 0
