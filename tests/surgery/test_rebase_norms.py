"""Norms take the statistics of what passes through them, and the network says the same."""

import copy

import pytest
import torch
from networks import images, network, random_mask
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import easiedge
from easiedge.surgery.compensate import compensate
from easiedge.surgery.rebase_norms import rebase_norms


def strange(model):
    """With running statistics of something else."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.2, 3)
            nn.init.uniform_(module.weight, -1, 2)
    return model.eval()


@pytest.mark.parametrize("name", ["Residual", "Plain", "Depthwise"])
def test_evaluation_stays_and_training_agrees_with_it(name):
    model, x = strange(network(name)), images(32)
    rebased = copy.deepcopy(model)
    rebase_norms(rebased, [x])
    with torch.no_grad():
        said = model(x)
        assert torch.allclose(rebased(x), said, atol=1e-5)
        assert not torch.allclose(copy.deepcopy(model).train()(x), said, atol=1e-2)
        assert torch.allclose(copy.deepcopy(rebased).train()(x), said, atol=1e-4)


@torch.no_grad()
def test_statistics_are_those_over_all_batches():
    model, parts = strange(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))), torch.randn(10, 3, 6, 6).split([7, 3])
    rebase_norms(model, parts)
    seen = model[0](torch.cat(parts)).transpose(0, 1).flatten(1)
    assert torch.allclose(model[1].running_mean, seen.mean(1), atol=1e-6)
    assert torch.allclose(model[1].running_var, seen.var(1, correction=0), atol=1e-6)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4, affine=False), nn.BatchNorm2d(4, track_running_stats=False), nn.GroupNorm(2, 4)])  # fmt: skip
def test_what_cannot_say_the_same_is_left_alone(norm):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), norm).eval()
    before = copy.deepcopy(model.state_dict())
    rebase_norms(model, [torch.randn(4, 3, 6, 6)])
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@torch.no_grad()
def test_a_norm_that_nothing_passes_and_a_channel_that_never_varies():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    model.spare = nn.BatchNorm2d(2)
    model.forward = lambda x: model[1](model[0](x))
    model[0].weight[1] = 0
    x = torch.randn(4, 3, 6, 6)
    said = model(x)
    rebase_norms(model, [x])
    assert torch.allclose(model(x), said, atol=1e-5) and torch.equal(model.spare.running_var, torch.ones(2))


def test_a_refitted_network_trains_from_what_was_refitted():
    model, x = strange(network("Residual")), images(32)
    groups = easiedge.find_groups(model, x)
    mask = random_mask(groups, 0.5)
    plain, rebased = (compensate(model, groups, mask, [x], rebase=rebase) for rebase in (False, True))
    with torch.no_grad():
        small = [easiedge.shrink(fitted, groups, mask, x).eval() for fitted in (plain, rebased)]
        said = small[0](x)
        assert torch.allclose(small[1](x), said, atol=1e-4)
        gaps = [(net.train()(x) - said).square().mean() for net in small]
    assert gaps[1] < 1e-6 and gaps[0] > 100 * gaps[1]
