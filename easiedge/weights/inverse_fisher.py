"""The inverse Hessian as Optimal Brain Surgeon builds it: row by row, without ever inverting a matrix of that size.

    H = alpha I + (1/P) sum over rows x of x x'
    H_0^-1 = I / alpha,   H_(m+1)^-1 = H_m^-1 - H_m^-1 x x' H_m^-1 / (P + x' H_m^-1 x)      (Hassibi & Stork, NIPS 1993, eq. 9)

Several rows X at once give the same by Woodbury's identity:  H^-1 - H^-1 X' (P I + X H^-1 X')^-1 X H^-1.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

ROWS = 64  # taken at once


def recursive_inverse(rows: Iterable[Tensor], count: int, alpha: float, size: int, at_once: int = ROWS) -> Tensor:
    """``H^-1`` ``[size, size]`` in float64.

    Args:
        rows: of gradients, ``[some, size]`` each.
        count: P, what the sum over all rows is divided by.
        alpha: over 0; keeps directions that no row has.
        size: number of weights.
        at_once: rows; 1 is the paper's recursion.
    """
    inverse = torch.eye(size, dtype=torch.float64) / alpha
    for block in rows:
        for X in block.double().cpu().split(at_once):
            product = X @ inverse
            inner = product @ X.mT + count * torch.eye(len(X), dtype=torch.float64)
            inverse -= product.mT @ torch.linalg.solve(inner, product)
    return (inverse + inverse.mT) / 2
