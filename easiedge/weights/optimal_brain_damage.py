"""Optimal Brain Damage on single weights (LeCun, Denker & Solla, *Optimal Brain Damage*, NIPS 1989, printed 1990).

    score_w = 0.5 * h_ww * w^2   [nats]

with h the diagonal of the Fisher information of the weights (`easiedge.weights.weight_fisher`), as the paper's own Gauss-Newton form of the
diagonal Hessian.  Interactions between weights are left out, and so is the gradient, which is zero at a minimum.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from easiedge.scoring.batches import Batches
from easiedge.weights.layers import weight_of
from easiedge.weights.weight_fisher import fisher_diagonal


def weight_saliency(
    network: nn.Module,
    layers: Mapping[str, nn.Module],
    batches: Batches,
    *,
    probe: str = "sketch",
    passes: int = 1,
    seed: int = 0,
) -> dict[str, Tensor]:
    """The information that every weight's removal loses, float64 on the CPU, in the shape of each weight; no labels are needed."""
    diagonal = fisher_diagonal(network, layers, batches, probe=probe, passes=passes, seed=seed)
    return {name: 0.5 * h * weight_of(layers[name]).detach().double().cpu().square() for name, h in diagonal.items()}
