"""Odd but plausible forwards: whatever find_groups offers, the shrunk network equals the masked one."""

import pytest
import torch
import torch.nn.functional as F
from networks import random_mask, randomise_norms
from torch import nn

from easiedge.errors import ModelError
from easiedge.model.filter_groups import find_groups
from easiedge.model.gates import masked
from easiedge.surgery.shrink import shrink


class Net(nn.Module):
    """A stem, something odd in the middle, a head that reads 8 channels."""

    width = 8

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.build()
        self.last = nn.Conv2d(self.width, 6, 1)
        self.head = nn.Linear(6, 3)

    def build(self):
        """Layers of the odd part."""

    def odd(self, x):
        raise NotImplementedError

    def forward(self, x):
        x = self.odd(F.relu(self.bn(self.stem(x))))
        return self.head(F.relu(self.last(x)).mean((2, 3)))


class OneOverX(Net):
    def odd(self, x):
        return 1.0 / (x + 2.0)


class DivideConstant(Net):
    def odd(self, x):
        return 1.0 / (x * x + 1e-3)


class PickOne(Net):
    width = 7

    def odd(self, x):
        return x[:, 1:] * x[:, 0:1]


class PickByNumber(Net):
    def odd(self, x):
        return x + x[:, 3].unsqueeze(1)


class SplitUneven(Net):
    width = 3

    def odd(self, x):
        a, b, c = torch.split(x, [3, 3, 2], dim=1)
        return a * b + c.mean(1, keepdim=True)


class SplitEven(Net):
    width = 2

    def odd(self, x):
        a, b, c, d = torch.split(x, 2, dim=1)
        return a + b + c * d


class Twice(Net):
    width = 16

    def odd(self, x):
        return torch.cat([x, -x], 1)


class Stats(Net):
    def odd(self, x):
        return x - x.mean(1, keepdim=True)


class Softmaxed(Net):
    def odd(self, x):
        return x.softmax(1)


class PerChannel(Net):
    def build(self):
        self.scale = nn.Parameter(torch.rand(1, 8, 1, 1) + 0.5)

    def odd(self, x):
        return x * self.scale


class PerChannelShift(Net):
    def build(self):
        self.shift = nn.Parameter(torch.rand(8, 1, 1))

    def odd(self, x):
        return x + self.shift


class Prelu(Net):
    def build(self):
        self.act = nn.PReLU(8, init=0.3)

    def odd(self, x):
        return self.act(x - 0.0 * x)


class Grouped(Net):
    def build(self):
        self.norm = nn.GroupNorm(2, 8)

    def odd(self, x):
        return self.norm(x)


class Instance(Net):
    def build(self):
        self.norm = nn.InstanceNorm2d(8, affine=True)
        nn.init.uniform_(self.norm.bias)

    def odd(self, x):
        return self.norm(x)


class Transposed(Net):
    width = 5

    def build(self):
        self.up = nn.ConvTranspose2d(8, 5, 2, stride=2)

    def odd(self, x):
        return self.up(x)


class Looped(Net):
    def build(self):
        self.again = nn.Conv2d(8, 8, 3, padding=1)

    def odd(self, x):
        for _ in range(3):
            x = F.relu(self.again(x))
        return x


class ChannelsLast(Net):
    width = 5

    def build(self):
        self.fc = nn.Linear(8, 5)

    def odd(self, x):
        return F.gelu(self.fc(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


class Vector(Net):
    width = 4

    def build(self):
        self.fc = nn.Linear(8 * 64, 4)
        self.norm = nn.BatchNorm1d(4)

    def odd(self, x):
        return F.relu(self.norm(self.fc(x.flatten(1))))[:, :, None, None]


class HardCoded(Net):
    width = 4

    def build(self):
        self.fc = nn.Linear(8 * 16, 4)

    def odd(self, x):
        x = F.avg_pool2d(x, 2)
        return self.fc(x.reshape(-1, 8 * 4 * 4)).view(-1, 4, 1, 1)


class Sequence(Net):
    width = 6

    def build(self):
        self.conv = nn.Conv1d(8, 6, 3, padding=1)
        self.norm = nn.BatchNorm1d(6)

    def odd(self, x):
        return F.relu(self.norm(self.conv(x.flatten(2)))).unsqueeze(3)


class Volume(Net):
    width = 5

    def build(self):
        self.conv = nn.Conv3d(8, 5, 3, padding=1)

    def odd(self, x):
        return F.relu(self.conv(x.unsqueeze(2))).squeeze(2)


class Shuffled(Net):
    def odd(self, x):
        b, c, h, w = x.shape
        return x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)


class Attention(Net):
    def build(self):
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)

    def odd(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return (tokens + self.attend(tokens, tokens, tokens)[0]).transpose(1, 2).unflatten(2, (8, 8))


class Gate(Net):
    def build(self):
        self.gate = nn.Conv2d(8, 1, 1)

    def odd(self, x):
        return x * torch.sigmoid(self.gate(x))


class Padded(Net):
    width = 12

    def odd(self, x):
        return F.pad(x, (1, 1, 1, 1, 2, 2))


class Upsampled(Net):
    def odd(self, x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


ODD = list(Net.__subclasses__())


@pytest.mark.parametrize("build", ODD)
def test_what_is_offered_for_removal_can_be_removed(build):
    torch.manual_seed(0)
    model = randomise_norms(build()).eval()
    x = torch.randn(3, 2, 8, 8)
    groups = find_groups(model, x)
    assert "last" in {g.name for g in groups}
    for seed in range(3):
        mask = random_mask(groups, 0.5, seed)
        compact = shrink(model, groups, mask, x)
        with masked(model, groups, mask), torch.no_grad():
            assert torch.allclose(model(x), compact(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "group"),
    [
        (PerChannel, "stem"),
        (Looped, "stem"),
        (SplitEven, "stem"),
        (ChannelsLast, "fc"),
        (Vector, "fc"),
        (Padded, "stem"),
    ],
)
def test_what_can_be_removed_is_offered(build, group):
    assert group in {g.name for g in find_groups(build().eval(), torch.randn(2, 2, 8, 8))}


@pytest.mark.parametrize(
    "build", [OneOverX, DivideConstant, Stats, Softmaxed, PerChannelShift, Grouped, Shuffled, Attention]
)
def test_what_cannot_be_removed_is_not_offered(build):
    assert "stem" not in {g.name for g in find_groups(build().eval(), torch.randn(2, 2, 8, 8))}


def test_a_forward_with_two_inputs_and_two_outputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Conv2d(2, 5, 1), nn.Conv2d(3, 5, 1)
            self.one, self.two = nn.Linear(5, 3), nn.Linear(5, 2)

        def forward(self, a, b):
            x = F.relu(self.left(a) + self.right(b)).mean((2, 3))
            return self.one(x), {"second": self.two(x)}

    model, inputs = Two().eval(), (torch.randn(2, 2, 4, 4), torch.randn(2, 3, 4, 4))
    groups = find_groups(model, inputs)
    assert [g.layers for g in groups] == [("left", "right")]
    compact = shrink(model, groups, random_mask(groups, 0.5), inputs)
    assert compact.left.out_channels == compact.right.out_channels < 5


def test_example_inputs_must_hold_an_image():
    with pytest.raises(ModelError, match="at least one image"):
        find_groups(Looped(), torch.empty(0, 2, 8, 8))
