"""Random scores: the control that every criterion has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from easiedge.unit import FilterGroup, FilterScores


def random_order(
    model: nn.Module, groups: Sequence[FilterGroup], batches: Any = None, *, seed: int = 0
) -> FilterScores:
    """Independent uniform scores in [0, 1) from ``seed``."""
    generator = torch.Generator().manual_seed(seed)
    return FilterScores(
        {g.name: torch.rand(g.size, generator=generator, dtype=torch.float64) for g in groups}, "random"
    )
