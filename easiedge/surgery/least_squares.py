"""Refit one layer in closed form, in float64.

    minimise over V, b    sum over positions || T - V a - b ||^2 + lambda (|| V - V0 ||^2 + || b - b0 ||^2)

with a the layer's input patch (a 1 appended for b), T what the layer says in the dense network, V0 the weights it has,
lambda = ridge * mean square input, summed over positions.  Shrinking towards V0, and not towards 0, leaves a layer alone whose inputs did
not change, and can never fit worse than V0.  The unknowns are solved for (`easiedge.surgery.normal_equations`)
or, where they are many more than the positions, these (`easiedge.surgery.few_positions`): the same weights, the smaller matrix.
Known layer by layer from He et al., *Channel Pruning*, ICCV 2017 and Luo et al., *ThiNet*, ICCV 2017.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from easiedge.bf16_products import bf16_products
from easiedge.errors import DataError
from easiedge.surgery.few_positions import change_by_positions
from easiedge.surgery.normal_equations import NormalEquations
from easiedge.surgery.pulled import digits

FEW = 0.5  # positions for each input up to which solving for positions is faster (experiments/compensation/few_positions.py)


class LeastSquares:
    """Take what one layer reads and should say batch by batch, then solve.

    Memory: ``8 * groups * (width**2 + width * outputs)`` bytes, whatever the number of images; three times that to solve.

    Args:
        module: the layer.
        offset: whether it has a bias, or a norm that can take one.
        rounded: as in `NormalEquations`.

    Attributes:
        before: squared error of the weights as they are.
    """

    def __init__(self, module: nn.Module, offset: bool, rounded: bool = False) -> None:
        assert isinstance(module.weight, Tensor)
        self.groups = int(getattr(module, "groups", 1))
        start = module.weight.detach().flatten(1).double().reshape(self.groups, -1, module.weight[0].numel())
        self.width = start.shape[2]
        self.offset, self.rounded = offset, rounded
        if offset:
            own = (
                module.bias.detach().double()
                if isinstance(module.bias, Tensor)
                else start.new_zeros(module.weight.shape[0])
            )
            start = torch.cat([start, own.reshape(self.groups, -1, 1)], 2)
        self.start = start  # [groups, outputs, width, and 1 with an offset]
        self.before = 0.0
        self.few: list[tuple[Tensor, Tensor]] = []  # inputs and errors, while there are few positions
        self.many: NormalEquations | None = None

    def add(self, a: Tensor, targets: Tensor, sure: Tensor | None = None) -> None:
        """Add rows: ``a`` ``[rows, groups, width]`` and ``targets`` ``[rows, outputs of all groups]``.

        Outputs that are not ``sure`` (bool ``[outputs of all groups]``) have no target: their weights stay.
        """
        if a.dtype in (torch.bfloat16, torch.float16):
            a, targets = a.float(), targets.float()
        a = a.transpose(0, 1)  # [groups, rows, width]
        start = self.start.to(a.dtype)
        with bf16_products(a.device, self.rounded):
            said = a @ start[..., : self.width].mT
        error = targets.reshape(len(targets), self.groups, -1).transpose(0, 1) - said
        if self.offset:
            error = error - start[..., self.width :].mT
        if sure is not None:
            error = error * sure.reshape(self.groups, 1, -1)
        self.before += float(error.square().sum(dtype=torch.float64))
        self.few.append((a, error))
        if self.many is not None or sum(a.shape[1] for a, _ in self.few) > self.width * FEW:
            self.many = self.many or NormalEquations(self.start, self.offset, self.rounded)
            for inputs, errors in self.few:
                self.many.add(inputs, errors)
            self.few.clear()

    def solve(self, ridge: float) -> tuple[Tensor, Tensor | None]:
        """New weights ``[outputs, width]`` and, with an offset, new biases ``[outputs]``.

        Raises:
            DataError: what was added is not finite.
        """
        if not math.isfinite(self.before):
            raise DataError(
                "the network's activations on the calibration images are not finite: check the weights and the inputs"
            )
        if self.many is not None:
            change = self.many.change(ridge)
        else:
            dtype = digits(self.width, ridge, self.rounded)
            inputs, errors = (torch.cat(parts, 1).to(dtype) for parts in zip(*self.few, strict=True))
            with bf16_products(inputs.device, self.rounded):
                change = change_by_positions(inputs, errors, self.offset, ridge)
        new = (self.start + change).reshape(-1, self.start.shape[2])
        return (new[:, :-1], new[:, -1]) if self.offset else (new, None)
