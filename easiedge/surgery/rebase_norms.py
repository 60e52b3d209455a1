"""Batch norms whose statistics are those of what passes through them now, in a network that says the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from easiedge.model.graph import device_of, evaluating
from easiedge.scoring.batches import inputs_of


@torch.no_grad()
def rebase_norms(network: nn.Module, batches: Iterable[Any]) -> None:
    """Measure mean and variance in front of each batch norm, and change scale and shift so that evaluation stays as it was, in place.

    With ``s = sqrt(running_var + eps)`` before and ``s', mean'`` as measured over all ``batches``:

        weight' = weight * s' / s        bias' = bias + weight * (mean' - running_mean) / s

    Refitted layers answer with less variance than those of the dense network, and removal shifts means.  In training, norms divide
    by the statistics of the batch: without this, the first step trains another network than the one that was refitted, and
    a worse one (measured: experiments/norm_rebasing).  Norms without running statistics or without a scale are left alone, and so are
    those that nothing passes through.
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats and m.affine]
    sums = {norm: _Moments() for norm in norms}
    hooks = [norm.register_forward_pre_hook(lambda m, inputs: sums[m].add(inputs[0])) for norm in norms]
    try:
        with evaluating(network):
            device = device_of(network)
            for batch in batches:
                network(inputs_of(batch).to(device, copy=True))
    finally:
        for hook in hooks:
            hook.remove()
    for norm, seen in sums.items():
        if seen.count > 1:
            _rebase(norm, *seen.mean_and_variance())


class _Moments:
    """Sums of values and of their squares by channel, in float64."""

    def __init__(self) -> None:
        self.count, self.total, self.squares = 0, torch.zeros(()), torch.zeros(())

    def add(self, x: Tensor) -> None:
        wide = x.detach().double()
        others = [d for d in range(x.ndim) if d != 1]
        self.count += x.numel() // x.shape[1]
        self.total = self.total.to(x.device) + wide.sum(others)
        self.squares = self.squares.to(x.device) + wide.square().sum(others)

    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        mean = self.total / self.count
        return mean, (self.squares / self.count - mean.square()).clamp_min(0.0)


def _rebase(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    before = (norm.running_var.double() + norm.eps).sqrt()
    scale = norm.weight.double() / before
    norm.bias.add_((scale * (mean - norm.running_mean.double())).to(norm.bias))
    norm.weight.copy_(scale * (variance + norm.eps).sqrt())
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
