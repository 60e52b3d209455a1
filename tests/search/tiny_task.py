"""A task that is trained in milliseconds: two clouds of points, as images of one row."""

import torch

from easiedge.model.filter_groups import find_groups
from easiedge.model.tiny import nn1
from easiedge.search.lean_training import LeanTraining, Samples
from easiedge.search.structure import original
from easiedge.training.recipe import Recipe

RECIPE = Recipe(epochs=3, optimizer="adamw", lr=0.01, schedule="cosine", warmup=0.0)


def clouds(count=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 2
    x = torch.randn(count, 6, generator=generator) + 1.5 * (2 * y[:, None] - 1)
    return Samples(x[:, None, None], y)


def training(recipe=RECIPE, **options):
    return LeanTraining(clouds(), clouds(seed=1), recipe, 32, **options)


def start(widths=(6, 4), seed=0):
    """A trained network as a structure."""
    torch.manual_seed(seed)
    network = nn1(2, (1, 1, 6), widths)
    lean = training(Recipe(epochs=20, optimizer="adamw", lr=0.01, schedule="cosine", warmup=0.0))
    quality = lean(network, seed)
    inputs = lean.train.x[:16]
    return original(network, find_groups(network, inputs), quality, inputs)
