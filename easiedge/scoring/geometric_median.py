"""Distance to the other filters of the layer (FPGM; He et al., *Filter Pruning via Geometric Median*, CVPR 2019).

    score_i = sum over the units j of the group of || w_i - w_j ||_2

with w the filters of all tied convolutions and linear layers one after the other.  The filter with the lowest sum lies nearest
to the geometric median of its layer, so the others can best stand in for it.

The paper prunes every layer on its own.  For one ranking over all layers, ``per_weight`` (default) divides by the number of
other filters and by the root of the number of weights: the root mean square difference of a weight, averaged over the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.scoring.filters import unit_filters
from easiedge.unit import FilterGroup, FilterScores


def geometric_median(
    model: nn.Module, groups: Sequence[FilterGroup], batches: Any = None, *, per_weight: bool = True
) -> FilterScores:
    """Score units by the distance of their filters to all others; ``per_weight=False`` as published.  No data is needed."""
    values = {group.name: _distances(unit_filters(model, group), per_weight) for group in groups}
    return FilterScores(values, "geometric_median")


def _distances(filters: Tensor, per_weight: bool) -> Tensor:
    centred = filters - filters.mean(0)  # distances by inner products lose digits where the filters lie far from 0
    distances = torch.cdist(centred, centred, compute_mode="use_mm_for_euclid_dist").fill_diagonal_(0.0)
    others, weights = max(len(filters) - 1, 1), filters.shape[1]
    return distances.sum(1) / (others * weights**0.5) if per_weight else distances.sum(1)
