"""Least squares of one layer by its positions, where they are fewer than the layer's inputs: the smaller matrix, the same weights.

    V - V0 = Z' X,    (X X' + lambda I) Z = E,    lambda = ridge * mean of the diagonal of X' X, the 1 left out

with the rows of X the positions' inputs (a 1 appended for b) and those of E what is missing there, T - V0 a.  For n positions, w
inputs and o outputs that takes some n^2 w + n^3/3 + n w o multiplications, by the unknowns n w^2 + w^3/3 + w^2 o.
From X' (X X' + lambda I)^-1 = (X' X + lambda I)^-1 X' (Saunders, Gammerman & Vovk, *Ridge Regression in Dual Variables*, ICML 1998).
"""

from __future__ import annotations

import torch
from torch import Tensor

from easiedge.surgery.pulled import pull_of, solve_pulled


def change_by_positions(inputs: Tensor, errors: Tensor, offset: bool, ridge: float) -> Tensor:
    """``V - V0`` ``[groups, outputs, width, and 1 with an offset]``.

    Args:
        inputs: ``[groups, positions, width]``, float64 for a network that is kept.
        errors: ``[groups, positions, outputs]``, as precise.
        offset: whether a 1 is appended to every input.
        ridge: strength of the pull towards the weights as they are.
    """
    products = inputs @ inputs.mT
    squares = products.diagonal(dim1=1, dim2=2).sum(1)
    dual = solve_pulled(products + float(offset), pull_of(squares, inputs.shape[2], ridge), errors)
    change = dual.mT @ inputs
    return torch.cat([change, dual.sum(1)[..., None]], 2) if offset else change
