"""Shrunk equals masked, trains, and leaves the model alone."""

import pytest
import torch
from networks import NETWORKS, images, network, random_mask

from easiedge.errors import EquivalenceError
from easiedge.model.filter_groups import find_groups
from easiedge.model.gates import masked
from easiedge.model.restrict import restrict, widen
from easiedge.surgery.equivalence import prove_equivalence
from easiedge.surgery.shrink import shrink
from easiedge.unit import FilterMask


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_masked_and_shrunk_networks_agree(name, share):
    model, x = network(name), images(5)
    groups = find_groups(model, x)
    mask = random_mask(groups, share, seed=int(100 * share))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    compact = shrink(model, groups, mask, x)
    with masked(model, groups, mask):
        assert torch.allclose(model(x), compact(x), rtol=1e-4, atol=1e-6)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert sum(p.numel() for p in compact.parameters()) < sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_shrunk_network_trains_in_float64_too(name):
    model, x = network(name).double(), images().double()
    groups = find_groups(model, x)
    compact = shrink(model, groups, random_mask(groups, 0.5), x).train()
    optimizer = torch.optim.SGD(compact.parameters(), lr=0.1)
    y = torch.tensor([0, 1, 2, 0])
    first = torch.nn.functional.cross_entropy(compact(x), y)
    first.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in compact.parameters())
    optimizer.step()
    assert torch.nn.functional.cross_entropy(compact(x), y) < first


@pytest.mark.parametrize("name", NETWORKS)
def test_shrinking_twice_equals_shrinking_once(name):
    model, x = network(name), images()
    groups = find_groups(model, x)
    first = random_mask(groups, 0.3, seed=1)
    here = restrict(groups, first)
    second = random_mask(here, 0.3, seed=2)
    once = shrink(model, groups, widen(second, first), x)
    twice = shrink(shrink(model, groups, first, x), here, second, x)
    assert torch.allclose(once(x), twice(x), rtol=1e-4, atol=1e-6)
    assert {k: v.shape for k, v in once.state_dict().items()} == {k: v.shape for k, v in twice.state_dict().items()}


def test_groups_left_out_of_the_mask_stay_whole():
    model, x = network("Plain"), images()
    groups = find_groups(model, x)
    only = [g for g in groups if g.name == "conv2"]
    compact = shrink(model, only, FilterMask({"conv2": torch.tensor([True, False, True, True, False])}), x)
    assert compact.conv1.out_channels == 6 and compact.conv2.out_channels == 3 and compact.fc1.in_features == 48


def test_a_difference_is_found():
    model, x = network("Plain"), images()
    groups = find_groups(model, x)
    mask = random_mask(groups, 0.5)
    compact = shrink(model, groups, mask, x)
    with torch.no_grad():
        compact.fc2.bias += 0.01
    with pytest.raises(EquivalenceError, match="differs"):
        prove_equivalence(model, groups, mask, compact, [x])


def test_training_mode_and_dropout_survive_tracing():
    class Dropped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(2, 16, 1)
            self.head = torch.nn.Linear(16, 3)

        def forward(self, x):
            x = torch.relu(self.conv(x)).mean((2, 3))
            return self.head(torch.nn.functional.dropout(x, 0.5, training=self.training))

    model = Dropped().train()
    groups = find_groups(model, images())
    compact = shrink(model, groups, random_mask(groups, 0.3), images())
    assert compact.training and not torch.equal(compact(images()), compact(images()))
    compact.eval()
    assert torch.equal(compact(images()), compact(images()))
