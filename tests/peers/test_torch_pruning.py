"""Torch-Pruning's choice in easiedge's units: the same network, weight for weight, as its own removal makes."""

import copy

import numpy as np
import pytest
import torch
from rivals.torch_pruning import IMPORTANCES, TorchPruning, as_mask, gradients
from torch import nn
from torch.nn import functional as F

from easiedge import Budget, find_groups, shrink
from easiedge.errors import BudgetError, EasiEdgeError
from easiedge.model.cost import network_cost
from easiedge.model.resnet import resnet20
from easiedge.projection.budget import limits
from easiedge.projection.floors import Floors


class Net(nn.Module):
    """Two convolutions, a residual sum and a classifier behind a flatten."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.na = nn.Conv2d(3, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12)
        self.b, self.nb = nn.Conv2d(12, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12)
        self.c, self.nc = nn.Conv2d(12, 20, 3, padding=1), nn.BatchNorm2d(20)
        self.out = nn.Linear(20 * 4, 5)
        for norm in (self.na, self.nb, self.nc):
            nn.init.uniform_(norm.weight, 0.2, 2.0)
            nn.init.normal_(norm.running_mean, 0, 0.3)

    def forward(self, x):
        x = F.relu(self.na(self.a(x)))
        x = F.relu(self.nb(self.b(x)) + x)
        return self.out(torch.flatten(F.adaptive_avg_pool2d(F.relu(self.nc(self.c(x))), 2), 1))


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(16, 3, 8, 8, generator=generator), torch.randint(0, 5, (16,), generator=generator))]


@pytest.mark.parametrize("importance", sorted(set(IMPORTANCES)))
@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_the_shrunk_network_is_the_one_that_torch_pruning_makes(importance, scope, images):
    network, x = Net().eval(), images[0][0]
    groups = find_groups(network, x[:2])
    schedule = TorchPruning(importance, scope, steps=40)
    if importance in ("taylor", "hessian"):
        gradients(network, images, 16, squared=importance == "hessian")
    half = [0.5 * sum(g.size for g in groups)]
    mask = schedule.mask(network, groups, x[:2], lambda kept: sum(kept) <= half[0])
    theirs = copy.deepcopy(network)
    for p, q in zip(theirs.parameters(), network.parameters(), strict=True):
        p.grad = None if q.grad is None else q.grad.clone()
    pruner = schedule._pruner(theirs, groups, x[:2], IMPORTANCES[importance]())
    for group in (group for _ in range(40) for group in pruner.step(interactive=True)):
        group.prune()
        if theirs.a.out_channels + theirs.c.out_channels <= half[0]:
            break
    network.zero_grad(set_to_none=True)
    ours = shrink(network, groups, mask, x[:2])
    assert 0.5 <= mask.share_removed() < 0.7
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs.eval()(x), rtol=1e-4, atol=1e-5)


def test_steps_end_just_where_the_budget_is_met(images):
    network, x = resnet20(5).eval(), images[0][0]
    groups = find_groups(network, x[:2])
    budget = Budget(macs_removed=0.5)
    cost = network_cost(network, groups, x[:2], budget)
    goal = limits(budget, groups, cost, Floors())
    mask = TorchPruning("l1", steps=100).mask(network, groups, x[:2], goal.met)
    macs = cost.total(np.array([float(mask.keep[g.name].sum()) for g in groups]))["macs"]
    assert 0.495 <= macs / cost.total(cost.sizes)["macs"] <= 0.5
    assert min(int(mask.keep[g.name].sum()) / g.size for g in groups) >= 0.1


def test_sparse_training_draws_no_norm_to_zero_that_stays(images):
    """ResNet's streams are left alone, so the regulariser of BN scale has nothing to do with their norms."""
    network, x = resnet20(5).train(), images[0][0]
    groups = find_groups(network, x[:2])
    pruner = TorchPruning("bn_scale", reg=0.1)._pruner(network, groups, x[:2], IMPORTANCES["bn_scale"]())
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    pruner.update_regularizer()
    pruner.regularize(network)
    drawn = {name for name, p in network.named_parameters() if p.grad.abs().sum() > 0}
    assert drawn == {f"layer{i}.{j}.bn1.weight" for i in (1, 2, 3) for j in (0, 1, 2)}


def test_a_budget_beyond_the_largest_ratio_is_refused(images):
    network, x = resnet20(5).eval(), images[0][0]
    groups = find_groups(network, x[:2])
    budget = Budget(macs_removed=0.9)
    goal = limits(budget, groups, network_cost(network, groups, x[:2], budget), Floors())
    with pytest.raises(BudgetError, match="max_ratio"):
        TorchPruning("l1", max_ratio=0.3, steps=50).mask(network, groups, x[:2], goal.met)


def test_gradients_are_those_of_the_mean_loss_and_squares_are_taken_image_by_image(images):
    network = Net().eval()
    x, y = images[0]
    gradients(network, images, 5, squared=True)
    squares = [p.grad.clone() for p in network.parameters()]
    wanted = [torch.zeros_like(p) for p in network.parameters()]
    for i in range(5):
        found = torch.autograd.grad(F.cross_entropy(network(x[i : i + 1]), y[i : i + 1]), list(network.parameters()))
        wanted = [w + g.square() / 5 for w, g in zip(wanted, found, strict=True)]
    torch.testing.assert_close(squares, wanted)
    gradients(network, images, 16, squared=False)
    mean = torch.autograd.grad(F.cross_entropy(network(x), y), list(network.parameters()))
    torch.testing.assert_close([p.grad for p in network.parameters()], list(mean))


def test_channels_of_half_a_unit_are_refused(images):
    network, x = Net().eval(), images[0][0]
    groups = find_groups(network, x[:2])
    with pytest.raises(EasiEdgeError, match="whole units"):
        as_mask(groups, {"a": torch.arange(2), "b": torch.arange(3), "c": torch.arange(20)})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"importance": "beauty"}, "magnitude"),
        ({"scope": "here"}, "isomorphic"),
        ({"importance": "l1", "sparse_iterations": 2}, "no regulariser"),
    ],
)
def test_what_torch_pruning_does_not_have_is_refused(given, says):
    with pytest.raises(EasiEdgeError, match=says):
        TorchPruning(**given)
