"""The gated parameters are all that removal needs: a network with Z in place of W says what the masked network says."""

from __future__ import annotations

import pytest
import torch
from networks import NETWORKS, images, network, random_mask

from easiedge.admm import gated_parameters, initial_state
from easiedge.model.filter_groups import find_groups
from easiedge.model.gates import masked


@pytest.mark.parametrize("name", list(NETWORKS))
def test_z_in_place_of_w_equals_the_mask(name: str) -> None:
    net, x = network(name), images()
    groups = find_groups(net, x)
    mask = random_mask(groups, 0.5)
    gated = gated_parameters(net, groups)
    W = dict(net.named_parameters())
    with torch.no_grad():
        dense = net(x)
        with masked(net, groups, mask):
            expected = net(x)
        for parameter, z in initial_state(W, mask, 1.0, gated).Z.items():
            W[parameter].copy_(z)
        torch.testing.assert_close(net(x), expected)
    assert not torch.allclose(dense, expected, rtol=0, atol=1e-3)
