"""LeNet for small grey images (LeCun et al., *Gradient-based learning applied to document recognition*, 1998).

The widths are those of the version that pruning papers use: 20 and 50 filters, 500 neurons.  Convolutions are padded, so that
images of any size from 4x4 work, and followed by batch norm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from easiedge.errors import ModelError


class LeNet(nn.Module):
    """Two convolutions with pooling, two linear layers."""

    def __init__(self, num_classes: int, in_channels: int, image_size: int) -> None:
        super().__init__()
        kernel = 5 if image_size >= 16 else 3
        self.conv1 = nn.Conv2d(in_channels, 20, kernel, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(20)
        self.conv2 = nn.Conv2d(20, 50, kernel, padding=kernel // 2, bias=False)
        self.bn2 = nn.BatchNorm2d(50)
        self.pool = nn.MaxPool2d(2)
        self.relu = nn.ReLU()
        self.fc1 = nn.Linear(50 * (image_size // 4) ** 2, 500)
        self.fc2 = nn.Linear(500, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[batch, classes]`` of images ``[batch, channels, size, size]``."""
        x = self.pool(self.relu(self.bn1(self.conv1(x))))
        x = self.pool(self.relu(self.bn2(self.conv2(x))))
        logits: Tensor = self.fc2(self.relu(self.fc1(torch.flatten(x, 1))))
        return logits


def lenet(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> LeNet:
    """LeNet for square images.

    Raises:
        ModelError: images under 4x4, which two poolings leave nothing of.
    """
    if image_size < 4:
        raise ModelError(
            f"lenet needs images of at least 4x4, not {image_size}x{image_size}: enlarge them with data.image_size="
        )
    return LeNet(num_classes, in_channels, image_size)
