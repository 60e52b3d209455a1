"""Layer-adaptive magnitude (LAMP; Lee et al., *Layer-adaptive Sparsity for the Magnitude-based Pruning*, ICLR 2021) of filters.

    score_i = ||w_i||^2 / sum over the units j of the group with ||w_j|| >= ||w_i|| of ||w_j||^2

The paper scores single weights; here w_i are the filters of all tied convolutions and linear layers of a unit.  The largest
unit of every group scores 1 (less where several are largest), so a global ranking empties no group before the others.  The
paper breaks ties between equal weights by position; here equal units score the same.  Units without any weight other than
zero score 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.scoring.filters import unit_filters
from easiedge.unit import FilterGroup, FilterScores


def lamp(model: nn.Module, groups: Sequence[FilterGroup], batches: Any = None) -> FilterScores:
    """Score units by their squared norm relative to all units of the group that are at least as large; no data is needed."""
    return FilterScores({g.name: _relative(unit_filters(model, g).square().sum(1)) for g in groups}, "lamp")


def _relative(squares: Tensor) -> Tensor:
    ascending = squares.sort().values
    at_least = ascending.flip(0).cumsum(0).flip(0)  # sum of this one and all larger ones
    total = at_least[torch.searchsorted(ascending, squares)]
    return torch.where(total > 0, squares / total.clamp_min(torch.finfo(total.dtype).tiny), 0.0)
