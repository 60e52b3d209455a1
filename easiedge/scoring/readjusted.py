"""The Fisher form when the gates that stay are readjusted: its damped inverse, by columns.

    minimum over d_K of 0.5 * d' (F + lambda I) d  with d_q = -1  =  0.5 / H_qq        H = (F + lambda I)^-1   [nats]
    lambda = damping * mean of F's diagonal

Source: Hassibi & Stork, *Second Order Derivatives for Network Pruning*, NIPS 1993, with gates in place of weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from easiedge.errors import EasiEdgeError
from easiedge.unit import Interaction


class Readjusted:
    """``H``, from ``F`` or by Woodbury's identity from the rows of ``G``: ``H = (I - T'T) / lambda``, ``T = L^-1 G``, ``LL' = G G' + lambda I``.

    Memory: ``16 * units**2`` bytes where ``F`` is stored, else ``8 * rows * (2 * rows + units)``.

    Attributes:
        units: number of them.

    Raises:
        EasiEdgeError: the damping is not positive.
    """

    def __init__(self, interaction: Interaction, damping: float) -> None:
        if not damping > 0:
            raise EasiEdgeError(
                f"damping={damping} must be positive: without it units that duplicate each other have no score"
            )
        self.units = len(interaction.gradient)
        mean = float(interaction.diagonal().double().mean())
        self.lam = damping * mean if mean > 0 else 1.0  # F is zero: the network says the same whatever goes
        self._inverse = self.solved = None
        if interaction.fisher is not None:
            damped = interaction.fisher.double().cpu().clone()
            damped.diagonal().add_(self.lam)
            self._inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
        else:
            assert interaction.rows is not None
            G = interaction.rows.double().cpu()
            small = G @ G.T
            small.diagonal().add_(self.lam)
            self.solved = torch.linalg.solve_triangular(torch.linalg.cholesky(small), G, upper=False)

    def diagonal(self) -> Tensor:
        """Diagonal of ``H``, float64 ``[units]``."""
        if self._inverse is not None:
            return self._inverse.diagonal()
        assert self.solved is not None
        return (1.0 - self.solved.square().sum(0)) / self.lam

    def column(self, unit: int) -> Tensor:
        """Column ``unit`` of ``H``, float64 ``[units]``."""
        if self._inverse is not None:
            return self._inverse[unit]
        assert self.solved is not None
        result = -(self.solved.T @ self.solved[:, unit])
        result[unit] += 1.0
        return result / self.lam
