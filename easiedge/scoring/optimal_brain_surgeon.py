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
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.model.gates import columns
from easiedge.scoring.batches import Batches
from easiedge.scoring.joint_information_gain import MATRIX_LIMIT, joint_information_gain
from easiedge.unit import FilterGroup, FilterScores, Interaction


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

    Memory beside that of `joint_information_gain`: ``16 * units**2`` bytes up to ``matrix_limit`` units, else
    ``16 * rows**2 + 16 * rows * units`` bytes with a row per image and pass.

    Raises:
        EasiEdgeError: ``damping`` is not positive.
    """
    if not damping > 0:
        raise EasiEdgeError(
            f"damping={damping} must be positive: without it units that duplicate each other have no score"
        )
    interaction = joint_information_gain(
        model, groups, batches, probe=probe, passes=passes, seed=seed, matrix_limit=matrix_limit
    ).interaction
    assert interaction is not None
    values = _readjusted(interaction, damping)
    return FilterScores({name: values[span] for name, span in columns(groups).items()}, "optimal_brain_surgeon")


def _readjusted(interaction: Interaction, damping: float) -> Tensor:
    lam = damping * float(interaction.diagonal().double().mean())
    if lam == 0.0:  # F is zero: the network says the same whatever goes
        return torch.zeros(len(interaction.gradient), dtype=torch.float64)
    inverse = _inverse_diagonal(interaction.fisher, interaction.rows, lam)
    return 0.5 / inverse.cpu()


def _inverse_diagonal(fisher: Tensor | None, rows: Tensor | None, lam: float) -> Tensor:
    """Diagonal of ``(F + lam I)^-1`` from F, or by Woodbury's identity from ``rows`` G with ``F = G'G``."""
    if fisher is not None:
        damped = fisher.double() + lam * torch.eye(len(fisher), dtype=torch.float64, device=fisher.device)
        return torch.cholesky_inverse(torch.linalg.cholesky(damped)).diagonal()
    assert rows is not None
    G = rows.double()
    small = G @ G.T
    small.diagonal().add_(lam)
    solved = torch.linalg.solve_triangular(torch.linalg.cholesky(small), G, upper=False)
    return (1.0 - solved.square().sum(0)) / lam
