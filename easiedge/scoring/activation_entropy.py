"""Entropy of the pooled activation over the images (Luo & Wu, *An Entropy-based Pruning Method*, arXiv:1706.05791, 2017).

    score_i = - sum over bins b of q_b ln q_b   [nats],    q_b = share of the images whose pooled activation falls into bin b

with ``bins`` equal bins from the unit's own minimum to its maximum over the images; a unit that says the same about every image
has entropy 0.  The activation is what the unit's readers read (`easiedge.scoring.activations`), averaged over positions; the
entropies of several readers are averaged.  At most ``ln(min(bins, images))``: give clearly more images than bins.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.scoring.activations import binned, pooled, read_batches
from easiedge.scoring.batches import Batches
from easiedge.unit import FilterGroup, FilterScores


def activation_entropy(
    model: nn.Module, groups: Sequence[FilterGroup], batches: Batches, *, bins: int = 32
) -> FilterScores:
    """Score units by the entropy of their pooled activations in nats; no labels are needed.

    Memory: 4 bytes per image, reading and unit (VGG-16, 1,024 images: 17 MB).
    """
    if bins < 2:
        raise EasiEdgeError(f"bins={bins} must be at least 2: with one bin every entropy is zero")
    kept: dict[str, list[Tensor]] = {g.name: [] for g in groups}
    for batch in read_batches(model, groups, batches, "activation_entropy", pooled):
        for name, values in batch.readings.items():
            kept[name].append(values.float().cpu())
    return FilterScores(
        {n: _entropy(binned(torch.cat(v), bins), bins).mean(0) for n, v in kept.items()}, "activation_entropy"
    )


def _entropy(bin_of: Tensor, bins: int) -> Tensor:
    """Entropy ``[...]`` in nats over the first dimension of ``bin_of`` ``[images, ...]``."""
    share = torch.stack([(bin_of == b).double().mean(0) for b in range(bins)])
    return -torch.xlogy(share, share).sum(0)
