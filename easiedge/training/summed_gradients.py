"""The gradient of the whole batch, where each process has differentiated its addend of the loss.

    L = sum_r (n_r / n) L_r        grad L = sum_r grad (n_r / n) L_r        n_r images of n in process r

The sum is the same on every process, bit for bit, so that all take the same step.  It is taken once per optimiser step, after any
accumulation and before ADMM's penalty and the clipping, which then see what they would in one process.
"""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from easiedge.processes import summed, world_size


class SummedGradients(Callback):
    """Sums gradients over the processes; in one process it does nothing.

    Args:
        network: whose gradients are summed.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """One exchange for all gradients of a type."""
        if world_size() == 1:
            return
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for parameter in self.network.parameters():
            if parameter.grad is not None:
                by_type.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for gradients in by_type.values():
            whole = summed(torch.cat([gradient.reshape(-1) for gradient in gradients]))
            for gradient, part in zip(gradients, whole.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view(gradient.shape))
