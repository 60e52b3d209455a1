"""Magnitude of a unit's filters (Li et al., *Pruning Filters for Efficient ConvNets*, ICLR 2017; Han et al., 2015).

    score_i = ( sum over the convolutions and linear layers of the tie of ||w_i||_p^p )^(1/p)

divided, with ``per_weight`` (default), by the number of weights (p = 1) or its root (p = 2): the mean absolute or the root mean
square weight, which makes layers of different filter sizes comparable in a global ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.scoring.filters import unit_filters
from easiedge.unit import FilterGroup, FilterScores


def magnitude(
    model: nn.Module, groups: Sequence[FilterGroup], batches: Any = None, *, p: int = 1, per_weight: bool = True
) -> FilterScores:
    """Score units by the L1 (``p=1``) or L2 (``p=2``) norm of their filters; no data is needed."""
    if p not in (1, 2):
        raise EasiEdgeError(f"magnitude knows p=1 (L1) and p=2 (L2), not p={p}")
    values = {group.name: _norms(unit_filters(model, group), p, per_weight) for group in groups}
    return FilterScores(values, f"l{p}_magnitude")


def _norms(filters: Tensor, p: int, per_weight: bool) -> Tensor:
    total = filters.abs().pow(p).sum(1)
    return (total / filters.shape[1] if per_weight else total) ** (1.0 / p)
