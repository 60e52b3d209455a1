"""The same network on the same images is measured once; anything else anew."""

import copy

import pytest
import torch
from networks import images, network
from torch.utils.data import DataLoader, TensorDataset

import easiedge
from easiedge.model.gates import masked
from easiedge.store import Store
from easiedge.training.evaluate import accuracy_and_loss
from easiedge.training.known_quality import KnownQuality
from easiedge.unit import FilterMask


def labelled(count=12, seed=0):
    x = images(count, seed)
    return [(x, torch.arange(count) % 3)]


@pytest.mark.parametrize("again", [KnownQuality, lambda store: None], ids=["another job", "the same job"])
def test_once(tmp_path, again):
    store = Store(tmp_path)
    first = KnownQuality(store)
    found = first(network("Residual"), labelled())
    second = again(store) or first
    assert second(network("Residual"), labelled()) == found == accuracy_and_loss(network("Residual"), labelled())
    assert first.measured + (second.measured if second is not first else 0) == 1


def test_anything_else_is_measured():
    quality, net = KnownQuality(), network("Residual")
    quality(net, labelled())
    quality(net, labelled(seed=1))
    other = copy.deepcopy(net)
    with torch.no_grad():
        next(other.parameters())[0].add_(1e-3)
    quality(other, labelled())
    other = copy.deepcopy(net)
    next(iter(other.buffers()))[0] += 1e-3
    quality(other, labelled())
    assert quality.measured == 4


def test_under_a_mask_it_is_another_network():
    net, x = network("Residual"), labelled()
    groups, quality = easiedge.find_groups(net, x[0][0][:2]), KnownQuality()
    dense = quality(net, x)
    mask = FilterMask({g.name: torch.arange(g.size) == 0 for g in groups})
    with masked(net, groups, mask):
        assert quality(net, x) == accuracy_and_loss(net, x) != dense
    assert quality(net, x) == dense and quality.measured == 2


def test_a_loader_is_measured_each_time():
    (x, y), quality = labelled()[0], KnownQuality()
    for _ in range(2):
        quality(network("Residual"), DataLoader(TensorDataset(x, y), batch_size=4))
    assert quality.measured == 2
