"""Inbound pruning by channel activity (Polyak & Wolf, *Channel-level Acceleration of Deep Face Representations*, IEEE Access 2015).

    activity_oi = variance over images and positions of  w_oi * a_i  =  w_oi' C_i w_oi

what input channel i brings into output o of a layer, with a_i the channel, w_oi the kernel between them and C_i ``[kernel, kernel]`` the
covariance of the channel's input patches.  The least active connections of a layer (of all layers, with the global scope) are
cut off, so that outputs keep different numbers of inputs: whole kernels with ``sparsity.level=kernel``, and of a linear layer single weights,
``w_oi^2 var(a_i)``.  The paper goes layer after layer, retraining in between (`easiedge.weights.schedules`); its text is not public in
full, so the activity is written here as we read its summary.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from easiedge.model.graph import evaluating
from easiedge.model.patches import patches
from easiedge.scoring.batches import Batches, logits_of, on_device
from easiedge.weights.layers import weight_of

POSITIONS = 64  # of each image that are looked at, evenly spread


@torch.no_grad()
def inbound_activity(network: nn.Module, layers: Mapping[str, nn.Module], batches: Batches) -> dict[str, Tensor]:
    """The activity of every kernel spread over its weights, float64 on the CPU, in the shape of each weight; no labels are needed."""
    sums = {name: Moments(module) for name, module in layers.items()}
    hooks = [
        module.register_forward_hook(lambda m, i, y, into=sums[name]: into.add(i[0], y))  # type: ignore[misc]
        for name, module in layers.items()
    ]
    try:
        with evaluating(network):
            for number, (x, _) in enumerate(on_device(network, batches, "channel_activity")):
                logits_of(network(x), number)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: sums[name].activity() for name in layers}


class Moments:
    """Means and products of a layer's input patches, channel by channel, as images stream through.

    Memory: ``channels * kernel^2`` numbers.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        weight = weight_of(module)
        self.kernel = weight[0, 0].numel()
        self.groups = int(getattr(module, "groups", 1))
        channels = self.groups * weight.shape[1]
        self.products = torch.zeros(channels, self.kernel, self.kernel, dtype=torch.float64)
        self.totals = torch.zeros(channels, self.kernel, dtype=torch.float64)
        self.rows = 0

    def add(self, a: Tensor, y: Tensor) -> None:
        """Take a run of the layer from ``a`` to ``y`` in."""
        positions = y[0].numel() // weight_of(self.module).shape[0]
        at = torch.linspace(0, positions - 1, min(positions, POSITIONS)).round().long()
        found = (
            patches(self.module, a, at).flatten(1).unflatten(1, (-1, self.kernel)).double().cpu()
        )  # [rows, channels, kernel]
        by_channel = found.transpose(0, 1)
        self.products += by_channel.mT @ by_channel
        self.totals += by_channel.sum(1)
        self.rows += len(found)

    def activity(self) -> Tensor:
        """Per weight ``[outputs, inputs, *kernel]``: that of its kernel over the kernel's weights."""
        weight = weight_of(self.module).detach().double().cpu()
        mean = self.totals / self.rows
        covariance = self.products / self.rows - mean[:, :, None] * mean[:, None, :]
        kernels = weight.reshape(*weight.shape[:2], -1).unflatten(
            0, (self.groups, -1)
        )  # [groups, outputs, inputs, kernel]
        variance = torch.einsum("goik,gikl,goil->goi", kernels, covariance.unflatten(0, (self.groups, -1)), kernels)
        each = variance.clamp(min=0).flatten(0, 1) / self.kernel
        return each.reshape(*weight.shape[:2], *[1] * (weight.ndim - 2)).expand(weight.shape).clone()
