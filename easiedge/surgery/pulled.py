"""Solve with a symmetric matrix that a pull makes definite."""

from __future__ import annotations

import torch
from torch import Tensor

STRONGER = 12  # times that the pull is made ten times stronger for a matrix that rounding has left indefinite; then all is zero


ENOUGH = 0.01
"""Relative error in the worst case up to which a network on the way is solved for in float32."""


def digits(width: int, ridge: float, rounded: bool) -> torch.dtype:
    """float32 where ``rounded`` and precise enough, else float64.

    No eigenvalue of a matrix exceeds its trace, which is width / ridge times the pull, so that rounding moves the solution by
    ``width / ridge * eps`` of itself at most, in the first order.
    """
    return torch.float32 if rounded and width / ridge * torch.finfo(torch.float32).eps < ENOUGH else torch.float64


def pull_of(squares: Tensor, width: int, ridge: float) -> Tensor:
    """``ridge`` times the mean of ``width`` sums of squares ``[groups]``; 1 where there is no input at all, so that weights stay."""
    pull = ridge * squares / width
    return torch.where(pull > 0, pull, 1.0)


def solve_pulled(matrix: Tensor, pull: Tensor, right: Tensor) -> Tensor:
    """``(matrix + pull I)^-1 right``, group by group.

    Args:
        matrix: ``[groups, n, n]``, read on and above the diagonal and overwritten.
        pull: ``[groups]``.
        right: ``[groups, n, columns]``.
    """
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    diagonal += pull[:, None]
    factor, failed = torch.linalg.cholesky_ex(matrix, upper=True)
    for _ in range(STRONGER):  # sums below what float32 resolves are not those of any inputs
        if not bool(failed.any()):
            break
        pull = pull * 10
        diagonal += (pull * (failed > 0))[:, None]
        factor, failed = torch.linalg.cholesky_ex(matrix, upper=True)
    found = torch.cholesky_solve(right, factor, upper=True)
    return torch.where((failed > 0)[:, None, None] | ~torch.isfinite(found), 0.0, found)
