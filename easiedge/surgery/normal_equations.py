"""Least squares of one layer by its unknowns: streamed normal equations.

(A + lambda I) (V - V0)' = sum a (T - V0 a)'        A = sum a a',  lambda = ridge * mean of A's diagonal, the 1 left out
"""

from __future__ import annotations

from torch import Tensor

from easiedge.bf16_products import bf16_products
from easiedge.surgery.pulled import digits, pull_of, solve_pulled

BLOCK = 256  # columns: small enough to skip what lies below A's diagonal, large enough for a fast product


class NormalEquations:
    """Accumulate ``A`` and ``sum a (T - V0 a)'`` over batches.

    ``A`` is symmetric, so only the blocks on and above its diagonal are multiplied out, in the precision of ``a``, and added
    up in float64.

    Args:
        start: weights ``[groups, outputs, width, and 1 with an offset]`` float64.
        offset: whether a 1 is appended to every input.
        rounded: float32 may be rounded to bf16 before it is multiplied, where that is faster (`easiedge.bf16_products`), and the
            unknowns are solved for in float32, where that is enough (`easiedge.surgery.pulled.digits`).
    """

    def __init__(self, start: Tensor, offset: bool, rounded: bool = False) -> None:
        groups, outputs, unknowns = start.shape
        self.width, self.offset, self.rounded = unknowns - int(offset), offset, rounded
        self.gram = start.new_zeros(groups, unknowns, unknowns)  # right on and above the diagonal
        self.cross = start.new_zeros(groups, unknowns, outputs)

    def add(self, a: Tensor, error: Tensor) -> None:
        """Add rows: inputs ``[groups, rows, width]`` and ``T - V0 a`` ``[groups, rows, outputs]``."""
        if self.offset:
            ones = a.new_ones(1, a.shape[1])
            self.gram[:, : self.width, self.width] += (ones @ a)[:, 0]
            self.gram[:, self.width, self.width] += a.shape[1]
            self.cross[:, self.width] += (ones @ error)[:, 0]
        with bf16_products(a.device, self.rounded):
            for i in range(0, self.width, BLOCK):
                block = a[..., i : i + BLOCK]
                self.gram[:, i : i + block.shape[2], i : self.width] += block.mT @ a[..., i:]
            self.cross[:, : self.width] += a.mT @ error

    def change(self, ridge: float) -> Tensor:
        """``V - V0``, as ``start`` is shaped; zero where no pull within reason makes the matrix definite."""
        squares = self.gram.diagonal(dim1=1, dim2=2)[:, : self.width].sum(1)
        pull, dtype = pull_of(squares, self.width, ridge), digits(self.width, ridge, self.rounded)
        return solve_pulled(self.gram.to(dtype, copy=True), pull.to(dtype), self.cross.to(dtype)).mT.to(self.gram)
