"""Average percentage of zeros (APoZ; Hu et al., *Network Trimming*, arXiv:1607.03250, 2016).

    APoZ_i  = share of zeros among the activations of unit i over images and positions
    score_i = 1 - APoZ_i

The paper removes the units with the highest APoZ; the score is turned round so that the lowest goes first.  A value counts as
zero when it is not positive: behind a ReLU that is the same, and it keeps the measure defined for activation functions without
exact zeros (hardswish, GELU), though there it is a weak one: many units share the score 0.  The activation is what the unit's
readers read (`easiedge.scoring.activations`).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from easiedge.scoring.activations import mean_over_images
from easiedge.scoring.batches import Batches
from easiedge.unit import FilterGroup, FilterScores


def apoz(model: nn.Module, groups: Sequence[FilterGroup], batches: Batches) -> FilterScores:
    """Score units by the share of their activations that is not zero, in [0, 1]; no labels are needed."""
    return mean_over_images(model, groups, batches, "apoz", _share_positive)


def _share_positive(values: Tensor) -> Tensor:
    return (values > 0).flatten(2).float().mean(2)
