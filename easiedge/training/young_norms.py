"""Batch norm in the first steps of a training: its running statistics are measured anew before an epoch is judged by them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import Callback
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from easiedge.training.norm_statistics import renew_norm_statistics

FORGOTTEN = 0.01
"""Share of the statistics from before training below which running averages have followed."""


class YoungNorms(Callback):
    """Calls `renew_norm_statistics` before each validation within the first steps of a training.

    After n steps a running average with momentum m holds ``(1 - m)^n`` of what it was before training; as long as that is more than
    ``FORGOTTEN`` (44 steps with m = 0.1), a network that has lost units is judged by what they left in the averages of the others, and good
    epochs are thrown away: on 476 photographs, 15 steps an epoch, a network with a training loss of 0.23 guessed.  Later epochs stay as
    training leaves them.

    Args:
        network: whose batch norms; those without running statistics or with a plain average (momentum None) are followed by none.
        batches: training images, (inputs, ...) or inputs.
    """

    def __init__(self, network: nn.Module, batches: Sequence[Any]) -> None:
        self.network, self.batches, self.steps = network, batches, _steps(network)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure them, unless training is past its first steps."""
        if not trainer.sanity_checking and 0 < trainer.global_step < self.steps:
            renew_norm_statistics(self.network, self.batches)


def _steps(network: nn.Module) -> int:
    """After how many optimiser steps the slowest running average has forgotten; 0 where there is none."""
    momenta = [m.momentum for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not momenta or any(m is None or not 0 < m < 1 for m in momenta):
        return 0
    return max(math.ceil(math.log(FORGOTTEN) / math.log(1 - m)) for m in momenta if m is not None)
