"""Features are what the last layer reads."""

import pytest
import torch
from torch import nn

from easiedge.classifiers.features import classifying_layer, deep_features
from easiedge.errors import ModelError


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Dropout(0.9), nn.Flatten(), nn.Linear(48, 6), nn.ReLU(), nn.Linear(6, 4)
    )


def batches():
    return [(torch.randn(5, 1, 6, 6), torch.arange(5) % 4), (torch.randn(2, 1, 6, 6), torch.tensor([3, 1]))]


def test_they_are_the_input_of_the_layer_in_order():
    net, given = network().train(), batches()
    x, y = deep_features(net, given, classifying_layer(net))
    assert classifying_layer(net) == "6" and net.training
    assert y.tolist() == [0, 1, 2, 3, 0, 3, 1]
    with torch.no_grad():
        torch.testing.assert_close(x, torch.cat([net.eval()[:6](images) for images, _ in given]))
    assert not net[6]._forward_pre_hooks


def test_maps_are_flattened():
    net = network()
    assert deep_features(net, batches(), "0")[0].shape == (7, 36)


def test_layers_that_are_not_there_or_not_used_once_are_refused():
    with pytest.raises(ModelError, match="no layer of the network"):
        deep_features(network(), batches(), "nine")
    with pytest.raises(ModelError, match="no linear layer"):
        classifying_layer(nn.Sequential(nn.Conv2d(1, 1, 3)))
    shared = nn.Linear(36, 36)
    twice = nn.Sequential(nn.Flatten(), shared, nn.ReLU(), shared)
    with pytest.raises(ModelError, match="2 times"):
        deep_features(twice, batches(), "1")
