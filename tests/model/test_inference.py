"""The merged network says what the network says, whatever it does in place."""

import pytest
import torch
import torch.nn.functional as F
from networks import NETWORKS, images, network, randomise_norms
from torch import nn

from easiedge.errors import ModelError
from easiedge.model.filter_groups import find_groups
from easiedge.model.inference import check_merged, merged
from easiedge.scoring.score import score


class InPlace(nn.Module):
    """Every way to write in place: modules, functions, keyword and positional flags, methods whose result is not used."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.conv3 = nn.Conv2d(6, 5, 1)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        x = self.bn1(self.conv1(x))
        self.relu(x)  # the result is x itself
        y = self.bn2(self.conv2(x))
        y += x
        F.relu(y, True)
        y.mul_(0.5)
        y = F.relu(self.conv3(y), inplace=True)
        return self.head(y.mean((2, 3)))


class Twice(nn.Module):
    """One norm behind two convolutions, one convolution that runs twice, a norm without statistics and one without scale."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(i, 4, 3, padding=1) for i in (2, 2, 4))
        self.norm, self.free = nn.BatchNorm2d(4), nn.BatchNorm2d(4, track_running_stats=False)
        self.plain = nn.BatchNorm2d(4, affine=False)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = F.relu(self.norm(self.a(x)) + self.norm(self.b(x)))
        x = self.plain(self.c(F.relu(self.c(x))))
        return self.head(F.relu(self.free(x)).mean((2, 3)))


class Slices(nn.Module):
    """Writes into a view, which cannot be followed."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        x = self.conv(x)
        half = x[:, :2]
        half.mul_(0.0)
        return self.head(F.relu(x).mean((2, 3)))


@pytest.mark.parametrize("make", [*NETWORKS, InPlace, Twice])
@torch.no_grad()
def test_merged_network_says_the_same_and_the_model_is_left_alone(make):
    model = network(make) if isinstance(make, str) else randomise_twice(make)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    x = images(5)
    assert torch.allclose(merged(model)(x.clone()), model(x.clone()), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(m.inplace for m in model.modules() if isinstance(m, nn.ReLU))


def randomise_twice(make):
    torch.manual_seed(0)
    model = make()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine and module.running_mean is not None:
            randomise_norms(nn.Sequential(module))
    return model.eval()


def test_norms_really_are_merged():
    kinds = [type(m).__name__ for m in merged(network("Residual")).modules()]
    assert "BatchNorm2d" not in kinds and kinds.count("Identity") == 4


def test_in_place_scores_equal_those_of_the_same_network_out_of_place():
    model, x = randomise_twice(InPlace), images(6)
    groups = find_groups(model, x)
    exact, taylor = (score(model, groups, [x], c) for c in ("information_gain", "taylor_information_gain"))
    assert all(bool((v > 0).any()) for v in exact.values.values())
    assert all(bool((v > 0).any()) for v in taylor.values.values())


def test_what_cannot_be_followed_is_refused():
    model, x = Slices().eval(), images(4)
    with pytest.raises(ModelError, match="in place"):
        check_merged(model, merged(model), x)
