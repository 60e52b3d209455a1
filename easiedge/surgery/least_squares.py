"""Refit one layer in closed form: streamed normal equations in float64, memory by the layer's width.

    minimise over V, b    sum over positions || T - V a - b ||^2 + lambda (|| V - V0 ||^2 + || b - b0 ||^2)
    (A + lambda I) (V - V0)' = sum a (T - V0 a)'        A = sum a a',  lambda = ridge * mean of A's diagonal, the 1 left out

with a the layer's input patch (a 1 appended for b), T what the layer says in the dense network, V0 the weights it has.
Shrinking towards V0, and not towards 0, leaves a layer alone whose inputs did not change, and can never fit worse than V0.
Known layer by layer from He et al., *Channel Pruning*, ICCV 2017 and Luo et al., *ThiNet*, ICCV 2017.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from easiedge.errors import DataError

BLOCK = (
    512  # columns of a block of A: small enough to skip what lies below the diagonal, large enough for a fast product
)
STRONGER = 12  # times that the pull is made ten times stronger for a matrix that rounding has left indefinite; then its weights stay


class Sampling:
    """Which output positions of a layer are compared: the same in the dense and in the pruned network."""

    def __init__(self, positions: int, seed: int) -> None:
        self.positions, self.generator = positions, torch.Generator().manual_seed(seed)

    def draw(self, shape: torch.Size) -> Tensor:
        """Flat indices into the output positions ``shape``; all of them where there are no more than asked for."""
        count = int(torch.tensor(shape).prod()) if len(shape) else 1
        if count <= self.positions:
            return torch.arange(count)
        return torch.randperm(count, generator=self.generator)[: self.positions].sort().values


class NormalEquations:
    """Accumulate ``A`` and ``sum a (T - V0 a)'`` of one layer over batches, then solve.

    ``A`` is symmetric, so only the blocks on and above its diagonal are multiplied out, in the precision of ``a``, and added
    up in float64.

    Memory: ``8 * groups * (width**2 + width * outputs)`` bytes, whatever the number of images; three times that to solve.
    """

    def __init__(self, module: nn.Module, offset: bool) -> None:
        assert isinstance(module.weight, Tensor)
        self.groups = int(getattr(module, "groups", 1))
        start = module.weight.detach().flatten(1).double().reshape(self.groups, -1, module.weight[0].numel())
        self.width = start.shape[2]
        self.gram = start.new_zeros(self.groups, self.width, self.width)  # blocks on and above the diagonal
        self.sums = start.new_zeros(self.groups, self.width)
        self.offset = offset
        if offset:
            own = (
                module.bias.detach().double()
                if isinstance(module.bias, Tensor)
                else start.new_zeros(module.weight.shape[0])
            )
            start = torch.cat([start, own.reshape(self.groups, -1, 1)], 2)
        self.start = start  # [groups, outputs, width, and 1 with an offset]
        self.cross = start.new_zeros(self.groups, start.shape[2], start.shape[1])
        self.before = self.rows = 0.0

    def add(self, a: Tensor, targets: Tensor, sure: Tensor | None = None) -> None:
        """Add rows: ``a`` ``[rows, groups, width]`` and ``targets`` ``[rows, outputs of all groups]``.

        Outputs that are not ``sure`` (bool ``[outputs of all groups]``) have no target: their weights stay.
        """
        if a.dtype in (torch.bfloat16, torch.float16):
            a, targets = a.float(), targets.float()
        a = a.transpose(0, 1)  # [groups, rows, width]
        start = self.start.to(a.dtype)
        error = targets.reshape(len(targets), self.groups, -1).transpose(0, 1) - a @ start[..., : self.width].mT
        if self.offset:
            error = error - start[..., self.width :].mT
        if sure is not None:
            error = error * sure.reshape(self.groups, 1, -1)
        if self.offset:
            self.cross[:, self.width] += error.sum(1, dtype=torch.float64)
            self.sums += a.sum(1, dtype=torch.float64)
        for i in range(0, self.width, BLOCK):
            self.gram[:, i : i + BLOCK, i:] += a[..., i : i + BLOCK].mT @ a[..., i:]
        self.cross[:, : self.width] += a.mT @ error
        self.before += float(error.square().sum(dtype=torch.float64))
        self.rows += a.shape[1]

    def matrix(self) -> Tensor:
        """``A`` in full ``[groups, width, width]``, the appended 1 included."""
        width = self.start.shape[2]
        full = self.gram.new_empty(self.groups, width, width)
        full[:, : self.width, : self.width] = self.gram.triu() + self.gram.triu(1).mT
        if self.offset:
            full[:, self.width, : self.width] = full[:, : self.width, self.width] = self.sums
            full[:, self.width, self.width] = self.rows
        return full

    def solve(self, ridge: float) -> tuple[Tensor, Tensor | None]:
        """New weights ``[outputs, width]`` and, with an offset, new biases ``[outputs]``."""
        if not math.isfinite(self.before):
            raise DataError(
                "the network's activations on the calibration images are not finite: check the weights and the inputs"
            )
        regular = self.matrix()
        diagonal = regular.diagonal(dim1=1, dim2=2)
        pull = ridge * diagonal[:, : self.width].mean(1, keepdim=True)
        pull = torch.where(pull > 0, pull, 1.0)  # no input at all: the weights stay
        diagonal += pull
        factor, failed = torch.linalg.cholesky_ex(regular)
        for _ in range(STRONGER):  # sums below what float32 resolves are not those of any inputs
            if not bool(failed.any()):
                break
            pull = pull * 10
            diagonal += pull * (failed > 0)[:, None]
            factor, failed = torch.linalg.cholesky_ex(regular)
        change = torch.cholesky_solve(self.cross, factor).mT
        change = torch.where((failed > 0)[:, None, None] | ~torch.isfinite(change), 0.0, change)
        new = (self.start + change).reshape(-1, self.start.shape[2])
        return (new[:, :-1], new[:, -1]) if self.offset else (new, None)
