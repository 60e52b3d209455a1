"""LeNet: sizes, what it refuses, and that it learns the digits."""

import pytest
import torch
import torch.nn.functional as F

from easiedge.data.digits import Digits
from easiedge.errors import ModelError
from easiedge.model.lenet import lenet


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (1, 8), (3, 32), (1, 4), (2, 15)])
def test_logits_for_images_of_any_size(channels, size):
    model = lenet(7, channels, size)
    assert model(torch.zeros(2, channels, size, size)).shape == (2, 7)
    assert torch.fx.symbolic_trace(model) is not None


def test_the_widths_of_pruning_papers():
    model = lenet()
    assert (model.conv1.out_channels, model.conv2.out_channels, model.fc1.out_features) == (20, 50, 500)


def test_images_too_small():
    with pytest.raises(ModelError, match="at least 4x4, not 3x3"):
        lenet(image_size=3)


def test_it_learns_the_digits():
    data = Digits(shift=1)
    data.setup()
    model = lenet(10, 1, 8).train()
    epochs, loader = 12, data.train_dataloader()
    optimiser = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.05, total_steps=epochs * len(loader))
    for _ in range(epochs):
        for x, y in loader:
            optimiser.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimiser.step()
            schedule.step()
    model.eval()
    with torch.inference_mode():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in data.test_dataloader())
    assert right / len(data.test) >= 0.98
