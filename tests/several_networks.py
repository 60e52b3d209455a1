"""A small classifier and batches of float64 images, for tests of several processes beside one."""

import torch
from torch import nn

from easiedge.model.filter_groups import find_groups


def classifier(normed=True, seed=0):
    torch.manual_seed(seed)
    norm = nn.BatchNorm2d(6) if normed else nn.Identity()
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), norm, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24, 3)
    )


def group():
    return find_groups(classifier(), torch.zeros(2, 2, 4, 4))[0]


def batches(sizes, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator}
    return [
        (torch.randn(n, 2, 4, 4, dtype=torch.float64, **draw).to(dtype), torch.randint(0, 3, (n,), **draw))
        for n in sizes
    ]
