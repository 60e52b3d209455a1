"""Layer-wise relevance propagation (Bach et al., PLoS ONE 10(7), 2015; for pruning Yeom et al., Pattern Recognition 115, 2021).

    score_i = mean over images of | R_i |
    R_i = sum over positions of the relevance that arrives at unit i when the label's logit is propagated back, layer by layer

The rules stand in `easiedge.scoring.relevance`; with them R_i is the derivative of the logit by the unit's gate.  On a residual
stream the relevance at every layer that writes to it is added up, and the sign is dropped image by image.  The z+ rule gives a
unit that only ever pushes active outputs down no relevance: a score of 0 there is the method's answer.

Captum's LRP was looked at and does not serve: it refuses layers without a rule of its own, such as hardswish, and wants every sum and
every activation to be a module, which functional forwards (residual networks among them) do not have.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from easiedge.model.gates import columns
from easiedge.scoring.batches import Batches, one_hot
from easiedge.scoring.gate_gradients import gated_batches
from easiedge.scoring.relevance import relevance_network
from easiedge.unit import FilterGroup, FilterScores


def layer_wise_relevance(model: nn.Module, groups: Sequence[FilterGroup], batches: Batches) -> FilterScores:
    """Score units by the mean absolute relevance of the label's logit; batches must hold labels.

    Raises:
        ModelError: the network cannot be traced.
    """
    total, images = torch.zeros(sum(g.size for g in groups), dtype=torch.float64), 0
    with relevance_network(model) as network:
        for batch in gated_batches(network, groups, batches, "layer_wise_relevance", labels=True, merge=False):
            assert batch.targets is not None
            relevance = batch.rows(one_hot(batch.targets, batch.logits), last=True)
            total += relevance.double().abs().sum(0).cpu()
            images += len(relevance)
    return FilterScores({name: total[span] / images for name, span in columns(groups).items()}, "layer_wise_relevance")
