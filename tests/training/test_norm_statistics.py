"""Norm statistics measured anew: what training's own arithmetic says they are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from easiedge.training.norm_statistics import renew_norm_statistics


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.9),
        nn.Conv2d(4, 5, 3),
        nn.BatchNorm2d(5),
    )


def test_one_batch_gives_its_own_mean_and_variance() -> None:
    network, x = _network(), 3.0 + 2.0 * torch.randn(8, 3, 10, 10)
    renew_norm_statistics(network, [x])
    first = network[0](x).transpose(0, 1).flatten(1)
    torch.testing.assert_close(network[1].running_mean, first.mean(1))
    torch.testing.assert_close(network[1].running_var, first.var(1))
    batch_mean, batch_var = first.mean(1).view(-1, 1, 1), first.var(1, unbiased=False).view(-1, 1, 1)
    second = network[4](torch.relu((network[0](x) - batch_mean) / (batch_var + 1e-5).sqrt())).transpose(0, 1).flatten(1)
    torch.testing.assert_close(network[5].running_mean, second.mean(1), rtol=1e-4, atol=1e-5)  # and dropout was off


def test_batches_are_averaged_and_nothing_else_changes() -> None:
    network = _network().train()
    batches = [(torch.randn(8, 3, 10, 10), torch.zeros(8)), (5.0 + torch.randn(8, 3, 10, 10), torch.zeros(8))]
    before = {name: p.clone() for name, p in network.named_parameters()}
    renew_norm_statistics(network, batches)
    means = torch.stack([network[0](x).mean((0, 2, 3)) for x, _ in batches])
    torch.testing.assert_close(network[1].running_mean, means.mean(0))
    assert all(torch.equal(before[name], p) for name, p in network.named_parameters())
    assert all(m.training for m in network.modules())
    assert network[1].momentum == network[5].momentum == 0.1


def test_momentum_is_given_back_when_a_batch_is_wrong() -> None:
    network = _network()
    with pytest.raises(RuntimeError):
        renew_norm_statistics(network, [torch.randn(8, 2, 10, 10)])
    assert network[1].momentum == network[5].momentum == 0.1
    assert network[1].training


def test_a_network_without_norms_is_left_alone() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    renew_norm_statistics(network, [torch.randn(2, 3)])  # which does not even fit


def test_a_single_image_has_no_variance() -> None:
    network, one = _network(), torch.randn(1, 3, 10, 10)
    before = network[1].running_mean.clone()
    renew_norm_statistics(network, [one])
    assert torch.equal(network[1].running_mean, before)
    many = torch.randn(8, 3, 10, 10)
    renew_norm_statistics(network, [many, one])
    torch.testing.assert_close(network[1].running_mean, network[0](many).mean((0, 2, 3)))
