"""Which output positions of a layer are compared."""

from __future__ import annotations

import torch
from torch import Tensor


class Sampling:
    """Draws positions image batch by image batch: the same in the dense and in the pruned network."""

    def __init__(self, positions: int, seed: int) -> None:
        self.positions, self.generator = positions, torch.Generator().manual_seed(seed)

    def draw(self, shape: torch.Size) -> Tensor:
        """Flat indices into the output positions ``shape``; all of them where there are no more than asked for."""
        count = int(torch.tensor(shape).prod()) if len(shape) else 1
        if count <= self.positions:
            return torch.arange(count)
        return torch.randperm(count, generator=self.generator)[: self.positions].sort().values
