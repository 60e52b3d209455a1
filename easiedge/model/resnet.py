"""ResNets for 32x32 images (He et al., *Deep Residual Learning*, CVPR 2016, section 4.2).

Three stages of 16, 32 and 64 channels; the shortcut between stages has no parameters: it strides and pads channels with
zeros (option A).  Layer names are those of the widely used ``resnet56`` weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PadShortcut(nn.Module):
    """Every second position, and as many zero channels on both sides as the next stage has more."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.front = (after - before) // 2
        self.back = after - before - self.front

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, before, h, w]`` to ``[batch, after, h / 2, w / 2]``."""
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.front, self.back))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut = PadShortcut(before, after) if stride != 1 or before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Residual and shortcut, summed."""
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class ResNet(nn.Module):
    """CIFAR ResNet of depth ``6 blocks + 2``."""

    def __init__(self, blocks: int, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, 1)
        self.layer2 = _stage(16, 32, blocks, 2)
        self.layer3 = _stage(32, 64, blocks, 2)
        self.linear = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[batch, classes]`` of images ``[batch, channels, h, w]``."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        return logits


def _stage(before: int, after: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(before, after, stride)
    return nn.Sequential(first, *(BasicBlock(after, after, 1) for _ in range(blocks - 1)))


def resnet20(num_classes: int = 10, in_channels: int = 3) -> ResNet:
    """ResNet-20 for small images: 0.27 M parameters, 41 M MACs at 32x32."""
    return ResNet(3, num_classes, in_channels)


def resnet56(num_classes: int = 10, in_channels: int = 3) -> ResNet:
    """ResNet-56 for small images: 0.85 M parameters, 126 M MACs at 32x32."""
    return ResNet(9, num_classes, in_channels)
