"""Accuracy and logits, and that the network stays as it was."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from training import tiny

from easiedge.errors import DataError, TrainingError
from easiedge.training.evaluate import accuracy, logits


class _Says(nn.Module):
    """Logits that are the inputs."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class _Named(NamedTuple):
    logits: Tensor
    aux: None = None


def test_accuracy_counts_images_not_batches() -> None:
    x = torch.eye(4)[[0, 1, 2, 3, 0]]
    batches = [(x[:4], torch.tensor([0, 1, 2, 3])), (x[4:], torch.tensor([1]))]
    assert accuracy(_Says(), batches) == pytest.approx(0.8)


def test_the_network_is_left_as_found() -> None:
    net = tiny.network()
    net[1].eval()
    net[0].train()
    before = {n: t.clone() for n, t in net.state_dict().items()}
    accuracy(net, tiny.loader())
    assert net[0].training
    assert not net[1].training
    assert all(torch.equal(t, before[n]) for n, t in net.state_dict().items())


def test_logits_are_in_order_and_named_fields_are_read() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> _Named:
            return _Named(x * 2)

    x = torch.randn(5, 3)
    torch.testing.assert_close(logits(Net(), [x[:2], x[2:]]), x * 2)


def test_nothing_to_evaluate() -> None:
    with pytest.raises(DataError, match="no batches"):
        accuracy(_Says(), [])
    with pytest.raises(DataError, match="targets"):
        accuracy(_Says(), [torch.eye(3)])
    with pytest.raises(TrainingError, match="classifier"):
        accuracy(_Says(), [(torch.zeros(2, 3, 4, 4), torch.zeros(2))])
