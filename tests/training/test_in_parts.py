"""Batches in parts: the outputs of the whole, in parts of the right size."""

import pytest
import torch
from torch import nn

from easiedge.training.evaluate import accuracy, logits
from easiedge.training.in_parts import CACHE, LEAST, InParts


class Wide(nn.Module):
    """An image of 4 numbers becomes ``width`` numbers and two classes; the sizes of its batches are kept."""

    def __init__(self, width):
        super().__init__()
        self.first, self.last, self.batches = nn.Linear(4, width), nn.Linear(width, 2), []

    def forward(self, x):
        self.batches.append(len(x))
        return self.last(self.first(x).relu())


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_the_largest_tensor_of_an_image_decides_how_many_go_at_once(threads, count, mode):
    threads(count)
    net, x = Wide(CACHE // 4 // 40).eval(), torch.randn(200, 4)
    run = InParts(net)
    with mode():
        whole = net(x)
        for again in (False, True):
            net.batches.clear()
            assert torch.allclose(run(x), whole, atol=1e-6)
            parts = [LEAST, *(min(40 * count, left) for left in range(200 - LEAST, 0, -40 * count))]
            assert net.batches == (parts if not again else [len(p) for p in x.split(40 * count)])
    assert run.images == 40 * count


@pytest.mark.parametrize(("width", "parts"), [(8, [LEAST, 168]), (CACHE // 16, [LEAST] * 6 + [8])])
def test_small_images_go_together_and_large_ones_no_fewer_than_the_least(width, parts, threads):
    threads(1)
    net = Wide(width).eval()
    InParts(net)(torch.randn(200, 4))
    assert net.batches == parts


def test_a_small_batch_goes_whole_and_tells_nothing():
    net = Wide(8).eval()
    run = InParts(net)
    run(torch.randn(LEAST, 4))
    assert net.batches == [LEAST] and run.images is None


def test_accuracies_and_logits_are_those_of_whole_batches():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    ).eval()
    x = torch.randn(150, 3, 40, 40)
    with torch.no_grad():
        whole = net(x)
    y = whole.argmax(1)
    y[:30] = (y[:30] + 1) % 3
    assert torch.allclose(logits(net, [x[:100], x[100:]]), whole, atol=1e-5)
    assert accuracy(net, [(x[:100], y[:100]), (x[100:], y[100:])]) == pytest.approx(0.8)
