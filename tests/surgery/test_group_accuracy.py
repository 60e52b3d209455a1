"""Accuracy under gates, with what is in front of them computed once, beside filters zeroed by hand and units really cut."""

import copy

import networks
import pytest
import torch

from easiedge.model.filter_groups import find_groups
from easiedge.surgery.group_accuracy import GroupAccuracy
from easiedge.surgery.shrink import shrink
from easiedge.training.evaluate import accuracy
from easiedge.unit import FilterMask


def problem(name):
    """A network, its groups, and images with the labels that it gives them itself, in uneven batches."""
    x = networks.images(300)
    model = networks.centred(networks.network(name), x)
    with torch.no_grad():
        y = model(x).argmax(1)
    assert len(y.unique()) > 1
    return model, find_groups(model, x[:2]), list(zip(x.split(170), y.split(170), strict=True))


def test_filters_zeroed_by_hand_give_the_same_accuracy():
    model, groups, batches = problem("Plain")
    gates = GroupAccuracy(model, groups, batches)
    assert gates.dense().all() and len(gates.dense()) == 300
    named = {"conv1": ("conv1", "bn1"), "conv2": ("conv2",), "fc1": ("fc1",)}
    removed = [torch.tensor(units, dtype=torch.int64) for units in ([], [1], [0, 3], [0, 1, 2, 4])]
    for group in groups:
        found = gates.without(group, removed)
        assert found[0] == 1.0
        for units, value in zip(removed, found, strict=True):
            by_hand = copy.deepcopy(model)
            for layer in named[group.name]:
                for parameter in by_hand.get_submodule(layer).parameters():
                    parameter.data[units] = 0
            assert value == pytest.approx(accuracy(by_hand, batches), abs=1.5 / 300)
        assert min(found) < 1.0


@pytest.mark.parametrize("name", ["Residual", "Depthwise", "Concatenation", "Grouped"])
def test_ties_go_together_as_if_really_cut(name):
    model, groups, batches = problem(name)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    gates = GroupAccuracy(model, groups, batches)
    for group in groups:
        units = torch.arange(group.size - 1)
        keep = FilterMask.full(groups).keep | {group.name: torch.arange(group.size) == group.size - 1}
        compact = shrink(model, groups, FilterMask(keep), batches[0][0][:2])
        (found,) = gates.without(group, [units])
        assert found == pytest.approx(accuracy(compact, batches), abs=1.5 / 300)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks for m in model.modules())
