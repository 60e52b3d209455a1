"""Mean absolute activation (Polyak & Wolf, *Channel-level Acceleration*, IEEE Access 2015; Molchanov et al., ICLR 2017).

    score_i = mean over images and positions of |a_i|

The activation a is what the unit's readers read (`easiedge.scoring.activations`), averaged over readers.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from easiedge.scoring.activations import mean_over_images
from easiedge.scoring.batches import Batches
from easiedge.unit import FilterGroup, FilterScores


def mean_activation(model: nn.Module, groups: Sequence[FilterGroup], batches: Batches) -> FilterScores:
    """Score units by their mean absolute activation; no labels are needed."""
    return mean_over_images(model, groups, batches, "mean_activation", _mean_absolute)


def _mean_absolute(values: Tensor) -> Tensor:
    return values.abs().flatten(2).mean(2)
