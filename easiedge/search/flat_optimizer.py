"""SGD and AdamW of a recipe on one flat vector: a tiny network's step is a dozen operations, whatever its number of layers.

`torch.optim` does the same in several operations for each tensor and some more bookkeeping, which for these networks takes longer than
forward and backward together; a test holds the two together.  Updates: Sutskever et al. 2013 (Nesterov's momentum as torch writes it),
Loshchilov & Hutter 2019 (AdamW).
"""

from __future__ import annotations

import torch
from torch import nn

from easiedge.training.recipe import Recipe

BETAS, EPS = (0.9, 0.999), 1e-8


class FlatOptimizer:
    """Parameters and gradients of a network as views of two vectors while it is trained; `release` ends that.

    Args:
        network: on the CPU, float32.
        recipe: optimiser, momentum and decay; vectors and scalars decay only if it says so.
        hold_zeros: weights (not biases and norms) that are zero now stay so.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, hold_zeros: bool = False) -> None:
        self.recipe = recipe
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.weights = torch.cat([p.detach().reshape(-1) for p in self.parameters])
        self.gradient = torch.zeros_like(self.weights)
        decays = [recipe.weight_decay * float(recipe.decay_norm_and_bias or p.ndim > 1) for p in self.parameters]
        self.decay = torch.cat([torch.full((p.numel(),), d) for p, d in zip(self.parameters, decays, strict=True)])
        parts = [(p != 0) | torch.tensor(p.ndim < 2) for p in self.parameters]
        self.free = torch.cat([part.reshape(-1) for part in parts]) if hold_zeros else None
        start = 0
        for p in self.parameters:
            end = start + p.numel()
            p.data, p.grad = self.weights[start:end].view_as(p), self.gradient[start:end].view_as(p)
            start = end
        self.first, self.second, self.steps = torch.zeros_like(self.weights), torch.zeros_like(self.weights), 0

    def zero(self) -> None:
        """Before a backward pass."""
        self.gradient.zero_()

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update with the learning rate ``rate``."""
        if self.recipe.gradient_clip is not None:
            norm = float(self.gradient.norm())
            self.gradient.mul_(min(1.0, self.recipe.gradient_clip / (norm + 1e-6)))
        self.steps += 1
        if self.recipe.optimizer == "adamw":
            self._adamw(rate)
        else:
            self._sgd(rate)
        if self.free is not None:
            self.weights.mul_(self.free)

    def _adamw(self, rate: float) -> None:
        """``w -= rate * (decay * w + m^ / (sqrt(v^) + eps))``."""
        g, (one, two) = self.gradient, BETAS
        self.weights.addcmul_(self.decay, self.weights, value=-rate)
        self.first.lerp_(g, 1 - one)
        self.second.mul_(two).addcmul_(g, g, value=1 - two)
        spread = self.second.sqrt().div_((1 - two**self.steps) ** 0.5).add_(EPS)
        self.weights.addcdiv_(self.first, spread, value=-rate / (1 - one**self.steps))

    def _sgd(self, rate: float) -> None:
        """``v = momentum * v + g + decay * w``, ``w -= rate * v``, or with Nesterov ``w -= rate * (g + decay * w + momentum * v)``."""
        g = self.gradient.addcmul_(self.decay, self.weights)
        self.first.mul_(self.recipe.momentum).add_(g)
        move = g.add(self.first, alpha=self.recipe.momentum) if self.recipe.nesterov else self.first
        self.weights.add_(move, alpha=-rate)

    def release(self) -> None:
        """Give every parameter memory of its own, and no gradient."""
        for p in self.parameters:
            p.data, p.grad = p.data.clone(), None
