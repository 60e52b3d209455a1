"""Channels by units kept, against networks that were shrunk for real."""

import numpy as np
import pytest
import torch
from networks import NETWORKS, images, network, random_mask
from torch import nn

from easiedge.deploy.latency.widths import layer_widths, leading_units, measured_widths
from easiedge.model.filter_groups import find_groups
from easiedge.surgery.shrink import shrink


def channels(layer):
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    return layer.in_channels if layer.groups == 1 else layer.out_channels, layer.out_channels


@pytest.mark.parametrize("name", NETWORKS)
def test_widths_are_those_of_the_shrunk_network(name):
    model, x = network(name), images()
    groups = find_groups(model, x)
    widths = layer_widths(model, groups, x)
    mask = random_mask(groups, 0.4)
    compact = dict(shrink(model, groups, mask, x).named_modules())
    n = np.array([mask.kept()[g] for g in widths.groups], dtype=float)
    found = np.stack(widths.at(n), 1).tolist()
    assert found == [list(channels(compact[layer])) for layer in widths.layers]
    layers = [n for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert sorted(widths.layers) == sorted(layers)


def test_kinds_say_what_a_layer_and_its_followers_compute():
    model, x = network("Depthwise"), images()
    widths = layer_widths(model, find_groups(model, x), x)
    kinds = dict(zip(widths.layers, widths.kinds, strict=True))
    assert any(kind.startswith("depthwise conv 3x3/1 on") for kind in kinds.values())
    plain = layer_widths(network("Plain"), [], x)
    assert plain.kinds[0] == "conv 3x3/1 on 8x8, relu, max_pool2d" and plain.kinds[-1] == "linear"
    assert plain.kinds == layer_widths(network("Plain", seed=1), [], torch.randn(3, 2, 8, 8)).kinds


def test_measured_widths_cover_every_group_and_alignment():
    sizes = np.array([64.0, 64.0, 16.0, 1.0])
    kept = measured_widths(sizes, 48)
    assert (kept[0] == sizes).all() and (kept >= 1).all() and (kept <= sizes).all()
    for g in (0, 1):
        assert kept[:, g].min() <= 16 and len(np.unique(kept[:, g])) > 15
        assert 0.25 < (kept[:, g] % 4 == 0).mean() < 0.85
    assert not (kept[:, 0] == kept[:, 1]).all()
    assert (measured_widths(sizes, 48) == kept).all() and (measured_widths(sizes, 48, seed=1) != kept).any()


def test_leading_units_keeps_so_many():
    groups = find_groups(network("Plain"), images())
    kept = np.array([max(g.size // 2, 1) for g in groups])
    assert list(leading_units(kept, groups).kept().values()) == kept.tolist()
