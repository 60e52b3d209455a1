"""Running statistics of batch norm, measured anew for the weights as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from easiedge.model.graph import device_of, evaluating
from easiedge.scoring.batches import inputs_of


@torch.no_grad()
def renew_norm_statistics(network: nn.Module, batches: Sequence[Any]) -> None:
    """Set the running mean and variance of each batch norm to the average over ``batches``, in place.

    Training follows them with momentum 0.1: after n steps, 0.9^n of what they were before is still in them.  Where weights move
    fast, as in a W-step of ADMM, evaluation then sees a network that training never had.  Layers in front normalise by
    the statistics of their batch, as in training; dropout is off.  A batch of a single image has no variance and is left out; if
    there is no other, the statistics stay as they were.  (Wu and Johnson, arXiv 2105.07576, section 3.)
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    usable = [batch for batch in batches if len(inputs_of(batch)) > 1]
    if not norms or not usable:
        return
    with evaluating(network):
        momenta = [norm.momentum for norm in norms]
        try:
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # a plain average
                norm.training = True
            device = device_of(network)
            for batch in usable:
                network(inputs_of(batch).to(device, copy=True))
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
