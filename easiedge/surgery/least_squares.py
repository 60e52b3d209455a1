"""Refit one layer in closed form: streamed normal equations in float64, memory by the layer's width.

    minimise over V, b    sum over positions || T - V a - b ||^2 + lambda (|| V - V0 ||^2 + || b - b0 ||^2)
    (A + lambda I) (V - V0)' = sum a (T - V0 a)'        A = sum a a',  lambda = ridge * mean of A's diagonal

with a the layer's input patch (a 1 appended for b), T what the layer says in the dense network, V0 the weights it has.
Shrinking towards V0, and not towards 0, leaves a layer alone whose inputs did not change, and can never fit worse than V0.
Known layer by layer from He et al., *Channel Pruning*, ICCV 2017 and Luo et al., *ThiNet*, ICCV 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


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

    Memory: ``8 * groups * (width**2 + width * outputs)`` bytes, whatever the number of images.
    """

    def __init__(self, module: nn.Module, offset: bool) -> None:
        assert isinstance(module.weight, Tensor)
        self.groups = int(getattr(module, "groups", 1))
        start = module.weight.detach().flatten(1).double().reshape(self.groups, -1, module.weight[0].numel())
        self.offset = offset
        if offset:
            own = (
                module.bias.detach().double()
                if isinstance(module.bias, Tensor)
                else start.new_zeros(module.weight.shape[0])
            )
            start = torch.cat([start, own.reshape(self.groups, -1, 1)], 2)
        self.start = start  # [groups, outputs, width]
        width = start.shape[2]
        self.gram = start.new_zeros(self.groups, width, width)
        self.cross = start.new_zeros(self.groups, width, start.shape[1])
        self.before = self.rows = 0.0

    def add(self, a: Tensor, targets: Tensor) -> None:
        """Add rows: ``a`` ``[rows, groups, width]`` and ``targets`` ``[rows, outputs of all groups]``."""
        if self.offset:
            a = torch.cat([a, a.new_ones(*a.shape[:2], 1)], 2)
        a = a.transpose(0, 1)  # [groups, rows, width]
        t = targets.reshape(len(targets), self.groups, -1).transpose(0, 1)
        error = t - a @ self.start.to(a.dtype).transpose(1, 2)
        self.gram += (a.transpose(1, 2) @ a).double()
        self.cross += (a.transpose(1, 2) @ error).double()
        self.before += float(error.double().square().sum())
        self.rows += a.shape[1]

    def solve(self, ridge: float) -> tuple[Tensor, Tensor | None]:
        """New weights ``[outputs, width]`` and, with an offset, new biases ``[outputs]``."""
        diagonal = self.gram.diagonal(dim1=1, dim2=2)
        lam = (ridge * diagonal.mean(1)).clamp_min(1e-12)
        regular = self.gram + torch.diag_embed(lam[:, None].expand_as(diagonal))
        factor = torch.linalg.cholesky(regular)
        change = torch.cholesky_solve(self.cross, factor).transpose(1, 2)
        new = (self.start + change).reshape(-1, self.start.shape[2])
        return (new[:, :-1], new[:, -1]) if self.offset else (new, None)
