"""Optimisers by name, with or without decay on norms and biases."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer

if TYPE_CHECKING:
    from easiedge.training.recipe import Recipe


def make_optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser over the network's trainable parameters; vectors and scalars decay only if the recipe says so."""
    trainable = [p for p in network.parameters() if p.requires_grad]
    decayed = [p for p in trainable if recipe.decay_norm_and_bias or p.ndim > 1]
    bare = [p for p in trainable if not (recipe.decay_norm_and_bias or p.ndim > 1)]
    sets = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": bare, "weight_decay": 0.0}]
    return OPTIMIZERS[recipe.optimizer]([s for s in sets if s["params"]], recipe)


def _sgd(parameters: Any, recipe: Recipe) -> Optimizer:
    return torch.optim.SGD(parameters, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov)


def _adamw(parameters: Any, recipe: Recipe) -> Optimizer:
    return torch.optim.AdamW(parameters, lr=recipe.lr)


OPTIMIZERS: dict[str, Callable[[Any, Recipe], Optimizer]] = {"sgd": _sgd, "adamw": _adamw}
