"""C in fixed point: what TQ leaves is held exactly, operators agree with torch, what it cannot hold is named."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from c_program import says, strict, write_c
from networks import images
from torch import nn

from easiedge.deploy.c.fixed_numbers import LARGEST, whole, whole_biases, whole_weights
from easiedge.deploy.c.program import FLOAT_MAX
from easiedge.deploy.export.c_format import macro
from easiedge.errors import ModelError
from easiedge.model.resnet import resnet20
from easiedge.model.tiny import cnn1, nn1
from easiedge.search.tq import under, with_digits


class Steps(nn.Module):
    """A function between a convolution and logits."""

    def __init__(self, done, channels=6):
        super().__init__()
        self.conv, self.done = nn.Conv2d(2, channels, 3, padding=1), done

    def forward(self, x):
        return torch.flatten(self.done(self.conv(x)), 1)


class Each(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


CASES = {
    **{
        f"conv {options}": Steps(nn.Conv2d(6, **{"out_channels": 9, "kernel_size": 3, **options}))
        for options in (
            {}, {"stride": 2, "padding": 1}, {"kernel_size": (1, 5), "padding": (0, 2), "bias": False}, {"dilation": 2, "padding": 2},
            {"groups": 3, "padding": 1}, {"groups": 6, "out_channels": 6, "padding": 1, "stride": (2, 1)},
            {"groups": 6, "out_channels": 12}, {"kernel_size": 4, "padding": "same"},
        )
    },
    **{
        f"{type(layer).__name__} {k}": Steps(layer)
        for k, layer in enumerate([
            nn.ReLU(), nn.ReLU6(), nn.Hardtanh(-0.2, 0.3), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2), nn.AvgPool2d(3, 2, 1),
            nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.AdaptiveAvgPool2d((2, 3)), nn.AdaptiveMaxPool2d(2), nn.Flatten(),
        ])
    },
    "sum": Steps(Each(lambda x: F.relu(x + x.relu()))), "mean": Steps(Each(lambda x: x.mean((2, 3)))), "clamp": Steps(Each(lambda x: x.clamp(-0.1, 0.2))),
    "joined": Steps(Each(lambda x: torch.cat(x.chunk(3, 1)[::-1], 1))), "padded": Steps(Each(lambda x: F.pad(x[:, :, ::2], (0, 0, 1, 0, 2, 3)))),
    "softmax": Steps(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softmax(dim=1))),
    "linear": nn.Sequential(nn.Flatten(), nn.Linear(128, 7), nn.ReLU(), nn.Linear(7, 3)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("zeros", [False, True], ids=["whole", "sparse"])
def test_an_operator_computes_what_torch_does(name, zeros, tmp_path, monkeypatch):
    strict(monkeypatch)
    net, x = with_digits(CASES[name], 9).eval(), images(3)
    if zeros:
        net = under(
            net, float(torch.cat([p.detach().flatten() for p in net.parameters() if p.ndim > 1]).abs().quantile(0.7))
        )
    with torch.no_grad():
        wanted = net(x)
    path = write_c(net, x, tmp_path, fixed=True)
    assert (says(path, x, fixed=True) - wanted).abs().max() < 2e-4
    assert ("convolve_sparse" in path.read_text()) == zeros


def test_weights_get_the_fewest_digits_that_hold_them():
    made = whole_weights(np.float32([0.5, -0.25, 0.0, 1.0]), "w")
    assert (made.numbers.tolist(), made.digits, made.type, made.exact) == ([2, -1, 0, 4], 2, "int8_t", True)
    made = whole_weights(np.float32([0.1, 200.0]), "w")
    assert made.type == "int16_t" and not made.exact and np.abs(made.numbers).max() < 2**15 and made.digits == 7
    assert whole_weights(np.float32([0.0]), "w").digits == 0
    assert whole_biases(np.float32([-1.5]), "b").numbers.tolist() == [-98304]
    for refused, largest in ((whole_weights, 2.0**15), (whole_biases, 2.0**15)):
        with pytest.raises(ModelError, match="export it as float"):
            refused(np.float32([largest]), "w")


def test_limits_are_held_within_32_bits():
    assert [whole(v) for v in (FLOAT_MAX, -FLOAT_MAX, 6.0, -0.5, 1e9)] == [
        "INT32_MAX",
        "-INT32_MAX",
        "393216",
        "-32768",
        "INT32_MAX",
    ]
    assert LARGEST == 2**31 - 1


def test_a_tq_network_is_smaller_in_fixed_point_and_says_the_same(tmp_path):
    torch.manual_seed(1)
    net = with_digits(under(cnn1(2, (1, 8, 8)), 0.2), 6).eval()
    x = torch.randn(6, 1, 8, 8)
    dense = write_c(cnn1(2, (1, 8, 8)).eval(), x, tmp_path, "dense")
    sparse, fixed = write_c(net, x, tmp_path, "sparse"), write_c(net, x, tmp_path, "fixed", fixed=True)
    with torch.no_grad():
        wanted = net(x)
    assert (says(sparse, x) - wanted).abs().max() < 1e-5 and (says(fixed, x, fixed=True) - wanted).abs().max() < 1e-3
    sizes = [macro(p.with_suffix(".h"), f"{p.stem.upper()}_WEIGHT_BYTES") for p in (dense, sparse, fixed)]
    assert sizes[0] > 2 * sizes[1] > 2 * sizes[2]


def test_a_residual_network_agrees(tmp_path):
    torch.manual_seed(0)
    net, x = resnet20().eval(), torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        wanted = net(x)
    found = says(write_c(net, x, tmp_path, fixed=True), x, fixed=True)
    assert (found - wanted).abs().max() < 0.01 * wanted.abs().max()


def test_sums_beyond_32_bits_are_held_and_not_wrapped(tmp_path):
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
    with torch.no_grad():
        net[1].weight.fill_(8192.0)
        net[1].weight[1] *= -1
        net[1].bias.zero_()
    x = torch.full((2, 1, 2, 2), 100.0)
    found = says(write_c(net, x, tmp_path, fixed=True), x, fixed=True)
    assert found[0, 0] == pytest.approx(2.0**15, rel=1e-6) and found[0, 1] == pytest.approx(-(2.0**15), rel=1e-6)
    with pytest.raises(ModelError, match="takes numbers under 32768"):
        says(write_c(net, x, tmp_path, fixed=True), 1000 * x, fixed=True)


@pytest.mark.parametrize(
    ("done", "message"),
    [
        (nn.Sigmoid(), "Sigmoid (layer 'done')"),
        (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(6)), "BatchNorm2d (layer 'done.1')"),
    ],
)
def test_what_fixed_point_cannot_hold_is_named(done, message, tmp_path):
    with pytest.raises(ModelError) as caught:
        write_c(Steps(done).eval(), images(2), tmp_path, fixed=True)
    assert message in str(caught.value) and not list(tmp_path.iterdir())


def test_pixels_become_the_numbers_that_torch_has(tmp_path):
    import ctypes

    from easiedge.data.in_memory import normalise
    from easiedge.deploy.c.compiler import shared_object

    net, x = nn1(2, (3, 2, 2), [2]).eval(), torch.zeros(2, 3, 2, 2)
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.01)
    path = write_c(net, x, tmp_path, fixed=True, mean=mean, std=std)
    library = ctypes.CDLL(str(shared_object(path, tmp_path)))
    for level in (0, 1, 127, 255):
        pixels, found = torch.full((12,), level, dtype=torch.uint8), torch.zeros(12, dtype=torch.int32)
        library.network_prepare(ctypes.c_void_p(pixels.data_ptr()), ctypes.c_void_p(found.data_ptr()))
        wanted = normalise(pixels.reshape(1, 2, 2, 3).permute(0, 3, 1, 2), mean, std).permute(0, 2, 3, 1).reshape(-1)
        assert (found / 2.0**16 - wanted).abs().max() < 1e-4
