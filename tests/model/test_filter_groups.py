"""Which channels are one unit."""

import pytest
import torch
from networks import NETWORKS, images, network
from torch import nn

from easiedge.errors import ModelError
from easiedge.model.filter_groups import find_groups


def by_name(name):
    return {g.name: g for g in find_groups(network(name), images())}


def test_plain_filters_and_neurons_without_the_classifier():
    groups = by_name("Plain")
    assert {n: g.size for n, g in groups.items()} == {"conv1": 6, "conv2": 5, "fc1": 7}
    assert groups["conv1"].gates == ("bn1",)
    assert groups["conv2"].readers == ("fc1",)
    flattened = next(m for m in groups["conv2"].members if m.layer == "fc1")
    assert flattened.index.shape == (5, 16)
    assert flattened.index[2].tolist() == list(range(32, 48))


def test_residual_stream_with_channel_padding_is_tied_channel_by_channel():
    groups = by_name("Residual")
    assert groups["stem"].layers == ("stem", "a2", "b1")
    b1 = groups["stem"].produced("b1")
    assert b1.flatten().tolist() == [2, 3, 4, 5]  # the stream's four channels sit in the middle of the padded eight
    assert groups["b1"].size == 4 and groups["b1"].produced("b1").flatten().tolist() == [0, 1, 6, 7]
    assert groups["a1"].layers == ("a1",)


def test_depthwise_and_excitation_go_with_the_expansion():
    groups = by_name("Depthwise")
    assert groups["expand"].layers == ("expand", "depthwise", "excite")
    assert groups["expand"].gates == ("bn2",)
    assert set(groups["stem"].layers) == {"stem", "project"}


def test_concatenation_keeps_producers_apart():
    groups = by_name("Concatenation")
    assert groups["conv1"].size == 4 and groups["conv2"].size == 5
    shared = {
        g: next(m.index.flatten().tolist() for m in groups[g].members if m.layer == "bn_all")
        for g in ("conv1", "conv2")
    }
    assert shared == {"conv1": [0, 1, 2, 3], "conv2": [4, 5, 6, 7, 8]}
    assert set(groups["left"].layers) == {"left", "right"}  # multiplied channel by channel


def test_a_convolution_group_is_one_unit_and_a_sigmoid_fixes_its_channels():
    groups = by_name("Grouped")
    assert set(groups) == {"conv1", "conv3"}
    assert groups["conv1"].size == 4
    assert groups["conv1"].produced("grouped").shape == (4, 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_model_is_left_as_it_was(name):
    model = network(name).train()
    next(model.modules()).custom = 1
    model.get_submodule("head" if hasattr(model, "head") else "fc2").eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    find_groups(model, images())
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_nothing_to_prune_is_refused():
    with pytest.raises(ModelError, match="nothing to prune"):
        find_groups(nn.Sequential(nn.Flatten(), nn.Linear(128, 3)), images())


def test_a_forward_that_cannot_be_traced_is_refused():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 3, 1)

        def forward(self, x):
            return self.conv(x) if x.sum() > 0 else x

    with pytest.raises(ModelError, match="cannot be traced"):
        find_groups(Branches(), images())


def test_inputs_of_the_wrong_shape_are_refused():
    with pytest.raises(ModelError, match="does not run on the example inputs"):
        find_groups(network("Plain"), torch.randn(2, 3, 8, 8))


def test_a_layer_used_twice_ties_both_places():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(2, 4, 1)
            self.again = nn.Conv2d(4, 4, 1)
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            x = torch.relu(self.first(x))
            return self.head(torch.relu(self.again(torch.relu(self.again(x)))).mean((2, 3)))

    (group,) = find_groups(Twice(), images())
    assert set(group.layers) == {"first", "again"} and group.size == 4
