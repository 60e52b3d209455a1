"""CIFAR-100: a hundred (fine) classes, 500 training images each."""

from __future__ import annotations

from easiedge.data.cifar import Cifar

MEAN, STD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)


class CIFAR100(Cifar):
    """Of each class 50 training images are for validation."""

    title, original, folder, validation_files = "CIFAR-100", "CIFAR100", "cifar-100-python", 50
    channel_mean, channel_std = MEAN, STD
