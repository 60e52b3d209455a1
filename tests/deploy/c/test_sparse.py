"""Weights that are zero are skipped: the same logits, fewer constants, only where it pays."""

import pytest
import torch
from c_program import says, strict, write_c
from networks import images
from torch import nn

from easiedge.deploy.c.lower import lower
from easiedge.deploy.export.c_format import macro
from easiedge.deploy.export.ready import ready
from easiedge.model.resnet import resnet20
from easiedge.search.tq import under


def thinned(layer, share, seed=0):
    """``layer`` with that share of its weights zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        count = round(share * layer.weight.numel())
        layer.weight.view(-1)[torch.randperm(layer.weight.numel(), generator=generator)[:count]] = 0.0
    return layer


LAYERS = {
    "plain": lambda: nn.Conv2d(2, 5, 3), "padded": lambda: nn.Conv2d(2, 5, 3, padding=1), "strided": lambda: nn.Conv2d(2, 5, 3, padding=2, stride=3),
    "dilated": lambda: nn.Conv2d(2, 4, 3, dilation=2, padding=1), "same": lambda: nn.Conv2d(2, 4, (2, 3), padding="same"),
    "without bias": lambda: nn.Conv2d(2, 5, 2, bias=False),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", LAYERS)
def test_convolutions_agree(name, share, tmp_path, monkeypatch):
    strict(monkeypatch)
    net, x = nn.Sequential(thinned(LAYERS[name](), share), nn.ReLU(), nn.Flatten()).eval(), images(3)
    path = write_c(net, x, tmp_path)
    assert "convolve_sparse(&shape, start, offset" in path.read_text()
    with torch.no_grad():
        assert (says(path, x) - net(x)).abs().max() < 1e-5


def test_linear_layers_behind_a_flatten_agree_and_take_fewer_bytes(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 16), nn.ReLU(), nn.Linear(16, 3)
    ).eval()
    x = images(4)
    before = macro(write_c(net, x, tmp_path, "whole").with_suffix(".h"), "WHOLE_WEIGHT_BYTES")
    thinned(net[3], 0.8)
    path = write_c(net, x, tmp_path, "thin")
    with torch.no_grad():
        assert (says(path, x) - net(x)).abs().max() < 1e-5
    assert macro(path.with_suffix(".h"), "THIN_WEIGHT_BYTES") < 0.4 * before
    program = lower(ready(net), x)
    places = len(program.layers[1].calls[0].arguments[2].numbers)
    assert places == int((net[3].weight != 0).sum()) and program.place_bytes == 2 * (places + 17)
    kernels = [call.kernel for call in lower(ready(net), x).calls]
    assert kernels == ["convolve", "convolve_sparse", "convolve"]


@pytest.mark.parametrize(("share", "sparse"), [(0.4, False), (0.5, True)])
def test_only_from_half_on(share, sparse):
    net = nn.Sequential(nn.Flatten(), thinned(nn.Linear(128, 10), share)).eval()
    assert [c.kernel for c in lower(ready(net), images(2)).calls] == ["convolve_sparse" if sparse else "convolve"]


def test_a_residual_network_whose_weights_are_mostly_zero(tmp_path):
    torch.manual_seed(0)
    net, x = under(resnet20(), 0.05).eval(), torch.randn(2, 3, 16, 16)
    path = write_c(net, x, tmp_path)
    with torch.no_grad():
        wanted = net(x)
    assert (says(path, x) - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert "convolve_sparse" in path.read_text()
