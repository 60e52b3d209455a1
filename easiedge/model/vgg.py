"""VGG-16 with batch norm for small images (Simonyan and Zisserman, ICLR 2015, configuration D).

torchvision's ``features``, average pooling to 1x1 and one linear layer, as is usual for CIFAR.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


class VGG(nn.Module):
    """Thirteen 3x3 convolutions with batch norm, five poolings, one linear layer."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = in_channels
        for width in WIDTHS:
            if isinstance(width, int):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                before = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(before, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[batch, classes]`` of images ``[batch, channels, h, w]`` of at least 32x32."""
        logits: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
        return logits


def vgg16(num_classes: int = 10, in_channels: int = 3) -> VGG:
    """VGG-16 with batch norm: 14.7 M parameters, 314 M MACs at 32x32."""
    return VGG(num_classes, in_channels)
