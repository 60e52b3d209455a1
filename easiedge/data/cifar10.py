"""CIFAR-10: ten classes, 5,000 training images each."""

from __future__ import annotations

from easiedge.data.cifar import Cifar

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class CIFAR10(Cifar):
    """Of each class 500 training images are for validation."""

    title, original, folder, validation_files = "CIFAR-10", "CIFAR10", "cifar-10-batches-py", 500
    channel_mean, channel_std = MEAN, STD
