"""Least squares of one layer by its unknowns: streamed normal equations.

(A + lambda I) (V - V0)' = sum a (T - V0 a)'        A = sum a a',  lambda = ridge * mean of A's diagonal, the 1 left out
"""

from __future__ import annotations

import torch
from torch import Tensor

from easiedge.surgery.pulled import pull_of, solve_pulled

BLOCK = (
    512  # columns of a block of A: small enough to skip what lies below the diagonal, large enough for a fast product
)


class NormalEquations:
    """Accumulate ``A`` and ``sum a (T - V0 a)'`` over batches.

    ``A`` is symmetric, so only the blocks on and above its diagonal are multiplied out, in the precision of ``a``, and added
    up in float64.

    Args:
        start: weights ``[groups, outputs, width, and 1 with an offset]`` float64.
        offset: whether a 1 is appended to every input.
    """

    def __init__(self, start: Tensor, offset: bool) -> None:
        groups, outputs, unknowns = start.shape
        self.width = unknowns - int(offset)
        self.gram = start.new_zeros(groups, self.width, self.width)  # blocks on and above the diagonal
        self.sums = start.new_zeros(groups, self.width)
        self.cross = start.new_zeros(groups, unknowns, outputs)
        self.offset, self.rows = offset, 0

    def add(self, a: Tensor, error: Tensor) -> None:
        """Add rows: inputs ``[groups, rows, width]`` and ``T - V0 a`` ``[groups, rows, outputs]``."""
        if self.offset:
            self.cross[:, self.width] += error.sum(1, dtype=torch.float64)
            self.sums += a.sum(1, dtype=torch.float64)
        for i in range(0, self.width, BLOCK):
            self.gram[:, i : i + BLOCK, i:] += a[..., i : i + BLOCK].mT @ a[..., i:]
        self.cross[:, : self.width] += a.mT @ error
        self.rows += a.shape[1]

    def matrix(self) -> Tensor:
        """``A`` in full ``[groups, unknowns, unknowns]``, the appended 1 included."""
        unknowns = self.cross.shape[1]
        full = self.gram.new_empty(len(self.gram), unknowns, unknowns)
        full[:, : self.width, : self.width] = self.gram.triu() + self.gram.triu(1).mT
        if self.offset:
            full[:, self.width, : self.width] = full[:, : self.width, self.width] = self.sums
            full[:, self.width, self.width] = self.rows
        return full

    def change(self, ridge: float) -> Tensor:
        """``V - V0``, as ``start`` is shaped; zero where no pull within reason makes the matrix definite."""
        squares = self.gram.diagonal(dim1=1, dim2=2).sum(1)
        return solve_pulled(self.matrix(), pull_of(squares, self.width, ridge), self.cross).mT
