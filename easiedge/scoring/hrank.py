"""Rank of the feature maps (HRank; Lin et al., *HRank: Filter Pruning using High-Rank Feature Map*, CVPR 2020).

    score_i = mean over images of rank( a_i ),    a_i [height, width]

with the numerical rank: singular values above ``max(height, width) * eps`` times the largest.  The activation a is what the
unit's readers read (`easiedge.scoring.activations`), averaged over readers and over the channels of a unit of a grouped
convolution.  A linear layer reads vectors or numbers: they have rank 1 if they are not zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from easiedge.scoring.activations import mean_over_images
from easiedge.scoring.batches import Batches
from easiedge.unit import FilterGroup, FilterScores


def hrank(model: nn.Module, groups: Sequence[FilterGroup], batches: Batches) -> FilterScores:
    """Score units by the mean rank of their feature maps; no labels are needed.

    One singular value decomposition per image and unit: slow where the maps are large.
    """
    return mean_over_images(model, groups, batches, "hrank", _rank)


def _rank(values: Tensor) -> Tensor:
    if values.ndim == 3:  # one vector for a unit behind a flatten
        return (values != 0).any(2).float()
    if values.ndim == 4 or 1 in values.shape[-2:]:  # one vector or number for each channel
        return (values != 0).flatten(3).any(3).float().mean(2)
    ranks = torch.linalg.matrix_rank(values.flatten(0, -3).float()).float()
    return ranks.reshape(*values.shape[:2], -1).mean(2)
