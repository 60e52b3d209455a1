"""How far ADMM is from agreement (primal) and from rest (dual)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from easiedge.admm.gated import GatedParameter

Tensors = Mapping[str, Tensor]


def primal_residual(W: Tensors, Z: Tensors, gated: Mapping[str, GatedParameter]) -> float:
    """``r = ||W - Z|| / max(||W||, ||Z||)`` over the gated rows; 0 when both are zero."""
    return _ratio(_distance(W, Z, gated), max(_norm(W, gated), _norm(Z, gated)))


def dual_residual(Z: Tensors, Z_previous: Tensors, U: Tensors, gated: Mapping[str, GatedParameter]) -> float:
    """``s = rho ||Z - Z_previous|| / (rho ||U||)`` over the gated rows; rho cancels.

    When U is zero (nothing is removed) the change is taken relative to ``||Z||``; 0 when nothing changed.
    """
    change = _distance(Z, Z_previous, gated)
    return _ratio(change, _norm(U, gated) or _norm(Z, gated))


def _ratio(above: float, below: float) -> float:
    """``above / below`` with 0 / 0 = 0 and x / 0 = 1; NaN stays NaN."""
    if above == 0.0:
        return 0.0
    return above / below if below != 0.0 else 1.0


@torch.no_grad()
def _norm(tensors: Tensors, gated: Mapping[str, GatedParameter]) -> float:
    return math.sqrt(sum(_square(tensors[name], p) for name, p in gated.items()))


@torch.no_grad()
def _distance(a: Tensors, b: Tensors, gated: Mapping[str, GatedParameter]) -> float:
    return math.sqrt(sum(_square(a[name] - b[name], p) for name, p in gated.items()))


def _square(value: Tensor, parameter: GatedParameter) -> float:
    """Squared norm over the rows that units own."""
    owned = parameter.owned(value)
    return float(torch.linalg.vector_norm(value if owned is None else value * owned)) ** 2
