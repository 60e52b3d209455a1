"""Squared first-order Taylor expansion of the labels' loss (Molchanov et al., *Importance Estimation*, CVPR 2019).

    score_i = mean over images of ( d loss / d m_i )^2

with the gates m of the tie, so that scale, shift and every tied filter of a unit count.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from easiedge.model.gates import columns
from easiedge.scoring.batches import Batches, one_hot
from easiedge.scoring.gate_gradients import gated_batches
from easiedge.unit import FilterGroup, FilterMask, FilterScores


def squared_taylor(
    model: nn.Module, groups: Sequence[FilterGroup], batches: Batches, *, mask: FilterMask | None = None
) -> FilterScores:
    """Score units by the mean squared gate gradient of the cross entropy; batches must hold labels."""
    total, images = torch.zeros(sum(g.size for g in groups), dtype=torch.float64), 0
    for batch in gated_batches(model, groups, batches, "squared_taylor", mask, labels=True):
        assert batch.targets is not None
        p = batch.logits.detach().softmax(1)
        rows = batch.rows(p - one_hot(batch.targets, p), last=True)
        total += rows.double().square().sum(0).cpu()
        images += len(p)
    return FilterScores({name: total[span] / images for name, span in columns(groups).items()}, "squared_taylor")
