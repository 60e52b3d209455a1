"""Refit one layer in closed form: streamed normal equations in float64, memory by the layer's width.

    minimise over V, b    sum over positions || T - V a - b ||^2 + lambda (|| V - V0 ||^2 + || b - b0 ||^2)
    (A + lambda I) (V - V0)' = sum a (T - V0 a)'        A = sum a a',  lambda = ridge * mean of A's diagonal

with a the layer's input patch (a 1 appended for b), T what the layer says in the dense network, V0 the weights it has.
Shrinking towards V0, and not towards 0, leaves a layer alone whose inputs did not change, and can never fit worse than V0.
Known layer by layer from He et al., *Channel Pruning*, ICCV 2017 and Luo et al., *ThiNet*, ICCV 2017.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from easiedge.model.operations import CONVOLUTIONS


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


def patches(module: nn.Module, x: Tensor, at: Tensor) -> Tensor:
    """Input patches ``[rows, groups, width]`` of a convolution or linear layer at flat output positions ``at``.

    Rows are image by image, position by position; ``width`` is input channels per convolution group times kernel size.
    """
    if isinstance(module, nn.Linear):
        return x.reshape(x.shape[0], -1, x.shape[-1])[:, at].reshape(-1, 1, x.shape[-1])
    assert isinstance(module, CONVOLUTIONS)
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        pads = module._reversed_padding_repeated_twice
        x = F.pad(x, pads, mode="constant" if module.padding_mode == "zeros" else module.padding_mode)
    else:
        x = F.pad(x, [p for size in reversed(module.padding) for p in (size, size)])
    sizes = [
        (x.shape[2 + d] - module.dilation[d] * (module.kernel_size[d] - 1) - 1) // module.stride[d] + 1
        for d in range(x.ndim - 2)
    ]
    kernel = torch.cartesian_prod(*[torch.arange(k) for k in module.kernel_size]).reshape(-1, x.ndim - 2)
    index: list[Tensor] = []
    rest = at.clone()
    for d in reversed(range(x.ndim - 2)):
        start = (rest % sizes[d]) * module.stride[d]
        rest = rest // sizes[d]
        index.insert(0, start[:, None] + kernel[None, :, d] * module.dilation[d])
    where: tuple[Any, ...] = (slice(None), slice(None), *index)
    taken = x[where]  # [batch, channels, positions, kernel]
    batch, channels = taken.shape[:2]
    return taken.permute(0, 2, 1, 3).reshape(batch * len(at), module.groups, channels // module.groups * len(kernel))


def answers(module: nn.Module, y: Tensor, at: Tensor) -> Tensor:
    """Outputs ``[rows, channels]`` of a layer at flat output positions ``at``, in the order of `patches`."""
    if isinstance(module, nn.Linear):
        return y.reshape(y.shape[0], -1, y.shape[-1])[:, at].reshape(-1, y.shape[-1])
    return y.flatten(2)[:, :, at].permute(0, 2, 1).reshape(-1, y.shape[1])


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
