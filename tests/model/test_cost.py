"""Costs as a function of kept units equal a count on the shrunk network."""

import pytest
import torchvision
from networks import NETWORKS, images, network, random_mask
from torch import nn

from easiedge.model.cost import network_cost
from easiedge.model.count import count
from easiedge.model.filter_groups import find_groups
from easiedge.surgery.shrink import shrink


def test_counts_of_a_convolution_and_a_linear_layer_by_hand():
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 64, 4))
    assert count(model, images()) == {"params": 3 * 2 * 9 + 3 + 192 * 4 + 4, "macs": 3 * 2 * 9 * 64 + 192 * 4}


def test_resnet18_has_its_published_size():
    import torch

    found = count(torchvision.models.resnet18(), torch.randn(1, 3, 224, 224))
    assert found == {"params": 11_689_512, "macs": 1_814_073_344}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_cost_function_equals_the_count_on_the_shrunk_network(name, share):
    model, x = network(name), images()
    groups = find_groups(model, x)
    mask = random_mask(groups, share, seed=int(10 * share))
    cost = network_cost(model, groups, x)
    small = count(shrink(model, groups, mask, x), x)
    expected = cost.total(mask.kept())
    assert (expected["params"], expected["macs"]) == (small["params"], small["macs"])
    stored = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    assert cost.dense == {"filters": sum(g.size for g in groups), **count(model, x), "tensor_bytes": stored}


@pytest.mark.parametrize("name", NETWORKS)
def test_marginal_is_the_difference_of_totals(name):
    model, x = network(name), images()
    groups = find_groups(model, x)
    cost = network_cost(model, groups, x)
    n = cost.sizes.copy()
    n[0] -= 1
    for g in range(len(groups)):
        step = n.copy()
        step[g] -= 1
        assert cost.marginal(n)[:, g] == pytest.approx(cost.totals(n) - cost.totals(step))


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "convnext_tiny", "swin_t", "vit_b_16", "regnet_y_400mf"])
def test_macs_are_those_that_torchvision_publishes(name):
    import torch

    published = torchvision.models.get_model_weights(name).DEFAULT.meta["_ops"]
    model = torchvision.models.get_model(name, weights=None)
    assert count(model, torch.randn(1, 3, 224, 224))["macs"] == pytest.approx(published * 1e9, rel=0.02)
