"""nn1, nn2, cnn1, cnn2 and their scaled forms: layers, outputs, groups, wrong requests."""

import pytest
import torch
from torch import nn

from easiedge.errors import ModelError
from easiedge.model.filter_groups import find_groups
from easiedge.model.tiny import FAMILIES, cnn1, nn1

WIDTHS = {"nn1": [32, 16, 8], "nn2": [32], "cnn1": [32, 16], "cnn2": [32]}


@pytest.mark.parametrize("name", FAMILIES)
def test_units_are_those_of_the_publication(name):
    shape = (1, 1, 30) if name.startswith("nn") else (1, 8, 8)
    network = FAMILIES[name](2, shape)
    assert [g.size for g in find_groups(network, torch.randn(2, *shape))] == WIDTHS[name]
    assert network(torch.randn(5, *shape)).shape == (5, 2)
    assert [m.p for m in network if isinstance(m, nn.Dropout)] == ([0.5] if name.startswith("cnn") else [])


def test_convolutions_are_2x2_with_pooling_behind_the_first():
    kinds = [type(m).__name__ for m in cnn1()]
    assert kinds == ["Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "Flatten", "Dropout", "Linear"]
    assert {m.kernel_size for m in cnn1() if isinstance(m, nn.Conv2d)} == {(2, 2)}
    assert cnn1(10, (3, 28, 28), [4, 6, 8])(torch.randn(2, 3, 28, 28)).shape == (2, 10)


def test_scaled_forms():
    network = nn1(2, (1, 1, 10), [512, 256, 128])
    assert [m.out_features for m in network if isinstance(m, nn.Linear)] == [512, 256, 128, 2]


@pytest.mark.parametrize("widths", [[], [0], [-1], [1.5], [True], [1 << 20]])
def test_widths_that_are_none(widths):
    with pytest.raises(ModelError, match=r"model\.widths"):
        nn1(2, (1, 1, 4), widths)


def test_images_that_convolutions_leave_nothing_of():
    with pytest.raises(ModelError, match=r"too small.*model=nn1"):
        cnn1(2, (1, 1, 30))
