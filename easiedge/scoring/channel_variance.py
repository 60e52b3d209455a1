"""Variance of a channel's activation (Polyak & Wolf, *Channel-level Acceleration of Deep Face Representations*, IEEE Access 2015).

    score_i = variance over images and positions of a_i

The activation a is what the unit's readers read (`easiedge.scoring.activations`), averaged over readers.  A channel that hardly varies says
little about the image; a large mean, which the next layer's bias could replace, does not save it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from easiedge.scoring.activations import read_batches
from easiedge.scoring.batches import Batches
from easiedge.unit import FilterGroup, FilterScores

NAME = "channel_variance"


def channel_variance(model: nn.Module, groups: Sequence[FilterGroup], batches: Batches) -> FilterScores:
    """Score units by the variance of their activations; no labels are needed.  Memory: two numbers per unit and reading beside one batch."""
    sums: dict[str, Tensor] = {}
    images = 0
    for batch in read_batches(model, groups, batches, NAME, _moments):
        images += len(batch.logits)
        for name, values in batch.readings.items():  # [images, readings, 2 * units]
            part = values.double().sum(0).cpu()
            sums[name] = sums[name] + part if name in sums else part
    scores = {}
    for name, total in sums.items():
        mean, square = (total / images).chunk(2, 1)
        scores[name] = (square - mean.square()).clamp(min=0).mean(0)
    return FilterScores(scores, NAME)


def _moments(values: Tensor) -> Tensor:
    """Means of the activation and of its square, ``[batch, 2 * units]``."""
    flat = values.flatten(2)
    return torch.cat([flat.mean(2), flat.square().mean(2)], 1)
