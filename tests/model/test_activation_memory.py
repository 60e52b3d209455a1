"""Peak activation memory: by hand, and as a function of the units kept against a recount on the shrunk network."""

import numpy as np
import pytest
import torch
import torchvision
from networks import NETWORKS, images, network, random_mask
from torch import nn

from easiedge.model.activation_memory import activation_memory, peak_memory
from easiedge.model.filter_groups import find_groups
from easiedge.model.resnet import resnet20
from easiedge.surgery.shrink import shrink


def kept_of(groups, mask):
    return np.array([float(mask.keep[g.name].sum()) for g in groups])


def test_a_chain_by_hand():
    """The peak is the second convolution: 4x8x8 in and 6x8x8 out; ReLU writes into its input, the norm is folded."""
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    )  # fmt: skip
    assert peak_memory(model, images()) == 4 * (4 + 6) * 64


def test_a_shortcut_stays_alive_while_its_branch_runs():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 3, 1), nn.Conv2d(3, 4, 1)

        def forward(self, x):
            x = torch.relu(self.a(x))
            return x + self.c(self.b(x))  # the sum is written into one of its operands

    assert peak_memory(Block(), images()) == 4 * (4 + 3 + 4) * 64


def test_half_precision_is_half_as_much():
    model = resnet20().eval()
    x = torch.randn(2, 3, 32, 32)
    assert peak_memory(model.bfloat16(), x.bfloat16()) * 2 == peak_memory(model.float(), x)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_function_equals_a_recount_on_the_shrunk_network(name, share):
    model, x = network(name), images()
    groups = find_groups(model, x)
    memory = activation_memory(model, groups, x)
    mask = random_mask(groups, share, seed=int(10 * share))
    assert memory.peak(kept_of(groups, mask)) == peak_memory(shrink(model, groups, mask, x), x)
    assert memory.peak(np.array([float(g.size) for g in groups])) == peak_memory(model, x)


@pytest.mark.parametrize("name", ["mobilenet_v2", "densenet121", "googlenet"])
def test_the_function_on_real_networks(name):
    extra = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, weights=None, **extra).eval()
    x = torch.randn(2, 3, 64, 64)
    groups = find_groups(model, x)
    memory = activation_memory(model, groups, x)
    mask = random_mask(groups, 0.6, seed=3)
    assert memory.peak(kept_of(groups, mask)) == peak_memory(shrink(model, groups, mask, x), x)


def test_no_operation_is_kept_that_another_always_exceeds():
    model = network("Residual")
    memory = activation_memory(model, find_groups(model, images()), images())
    table = np.concatenate([memory.constant[:, None], memory.per_unit], 1)
    for i, row in enumerate(table):
        assert not any((other >= row).all() for j, other in enumerate(table) if j != i)
