"""First-order Taylor expansion (Molchanov et al., *Pruning Convolutional Neural Networks for Resource Efficient Inference*, ICLR 2017).

    score_i = T_i / || T ||_2 over the units of the group
    T_i = mean over images of | sum over positions of a_i * d loss / d a_i | = mean over images of | d loss / d m_i |

with the cross entropy of the labels and the gates m of the tie: activation times gradient, summed over the feature map, is the
gate gradient.  The paper takes the mean over positions; the normalisation, which it needs to compare layers, cancels that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from easiedge.model.gates import columns
from easiedge.scoring.batches import Batches, one_hot
from easiedge.scoring.gate_gradients import gated_batches
from easiedge.unit import FilterGroup, FilterScores


def taylor_2017(model: nn.Module, groups: Sequence[FilterGroup], batches: Batches) -> FilterScores:
    """Score units by the mean absolute gate gradient, normalised in each group; batches must hold labels."""
    total, images = torch.zeros(sum(g.size for g in groups), dtype=torch.float64), 0
    for batch in gated_batches(model, groups, batches, "taylor_2017", labels=True):
        assert batch.targets is not None
        p = batch.logits.detach().softmax(1)
        total += batch.rows(p - one_hot(batch.targets, p), last=True).double().abs().sum(0).cpu()
        images += len(p)
    total /= images
    # a group whose gradients are all zero keeps its zeros
    norms = {
        name: total[span].norm().clamp_min(torch.finfo(total.dtype).tiny) for name, span in columns(groups).items()
    }
    return FilterScores({name: total[span] / norms[name] for name, span in columns(groups).items()}, "taylor_2017")
