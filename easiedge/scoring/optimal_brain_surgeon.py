"""Optimal Brain Surgeon on the gates (Hassibi & Stork, *Second Order Derivatives for Network Pruning*, NIPS 1993).

    score_i = minimum over d with d_i = -1 of 0.5 * d' (F + lambda I) d = 0.5 / [ (F + lambda I)^-1 ]_ii   [nats]
    lambda = damping * mean of F's diagonal

with F the Fisher form of the gates (`easiedge.scoring.joint_information_gain`) in place of the paper's Hessian of the loss by the
weights: the information lost when unit i goes and all other gates are readjusted in the best way.  Without labels the gradient
at the network itself is zero, as the paper assumes.  Between two units of which either could stand in for the other, both score
low; the joint form is what sees that they must not both go.  F has at most as many dimensions as rows (images times passes): with
fewer rows than units nearly everything can be made up for, all scores come close to lambda / 2, and the order says little.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from easiedge.model.gates import columns
from easiedge.scoring.batches import Batches
from easiedge.scoring.joint_information_gain import MATRIX_LIMIT, joint_information_gain
from easiedge.scoring.readjusted import Readjusted
from easiedge.unit import FilterGroup, FilterScores


def optimal_brain_surgeon(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Batches,
    *,
    probe: str = "sketch",
    passes: int = 2,
    seed: int = 0,
    damping: float = 1e-3,
    matrix_limit: int = MATRIX_LIMIT,
) -> FilterScores:
    """Score units by the information lost when the others are readjusted; no labels are needed.

    Memory beside that of `joint_information_gain`: that of `easiedge.scoring.readjusted.Readjusted`.

    Raises:
        EasiEdgeError: ``damping`` is not positive.
    """
    interaction = joint_information_gain(
        model, groups, batches, probe=probe, passes=passes, seed=seed, matrix_limit=matrix_limit
    ).interaction
    assert interaction is not None
    values = torch.zeros(len(interaction.gradient), dtype=torch.float64)
    if bool((interaction.diagonal() > 0).any()):
        values = 0.5 / Readjusted(interaction, damping).diagonal()
    return FilterScores({name: values[span] for name, span in columns(groups).items()}, "optimal_brain_surgeon")
