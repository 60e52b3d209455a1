"""The Fisher form when the gates that stay are readjusted: the diagonal of its damped inverse.

    minimum over d_K of 0.5 * d' (F + lambda I) d  with d_q = -1  =  0.5 / H_qq        H = (F + lambda I)^-1   [nats]
    lambda = damping * mean of F's diagonal

Source: Hassibi & Stork, *Second Order Derivatives for Network Pruning*, NIPS 1993, with gates in place of weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from easiedge.errors import EasiEdgeError
from easiedge.unit import Interaction


def strength(interaction: Interaction, damping: float) -> float:
    """``lambda``, of all units; 1 where F is zero and the network says the same whatever goes."""
    mean = float(interaction.diagonal().double().mean())
    return damping * mean if mean > 0 else 1.0


def damped_inverse(fisher: Tensor, lam: float) -> Tensor:
    """``(F + lambda I)^-1``, float64 on the CPU; ``fisher`` is left as it was."""
    damped = fisher.double().cpu().clone()
    damped.diagonal().add_(lam)
    return torch.cholesky_inverse(torch.linalg.cholesky(damped))


class Readjusted:
    """``H``, from ``F`` or by Woodbury's identity from the rows of ``G``: ``H = (I - T'T) / lambda``, ``T = L^-1 G``, ``LL' = G G' + lambda I``.

    Memory: ``16 * units**2`` bytes where ``F`` is stored, else ``8 * rows * (2 * rows + units)``.

    Raises:
        EasiEdgeError: the damping is not positive.
    """

    def __init__(self, interaction: Interaction, damping: float) -> None:
        if not damping > 0:
            raise EasiEdgeError(
                f"damping={damping} must be positive: without it units that duplicate each other have no score"
            )
        self._lam = strength(interaction, damping)
        self._inverse = self._solved = None
        if interaction.fisher is not None:
            self._inverse = damped_inverse(interaction.fisher, self._lam)
        else:
            assert interaction.rows is not None
            G = interaction.rows.double().cpu()
            small = G @ G.T
            small.diagonal().add_(self._lam)
            self._solved = torch.linalg.solve_triangular(torch.linalg.cholesky(small), G, upper=False)

    def diagonal(self) -> Tensor:
        """Diagonal of ``H``, float64 ``[units]``."""
        if self._inverse is not None:
            return self._inverse.diagonal()
        assert self._solved is not None
        return (1.0 - self._solved.square().sum(0)) / self._lam
