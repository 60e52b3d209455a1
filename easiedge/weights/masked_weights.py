"""Masks on weights that training respects: `torch.nn.utils.prune` multiplies each weight by its mask in every forward pass.

The parameter is ``weight_orig`` meanwhile, and its gradient is zero where the mask is; `make_permanent` writes the zeros into the
weights and takes the masks off, which leaves a plain network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from easiedge.weights.layers import weight_of
from easiedge.weights.weight_mask import WeightMask


def mask_weights(network: nn.Module, mask: WeightMask) -> nn.Module:
    """Put ``mask`` on ``network``, in place of any that is on those layers; returns the network.

    Raises:
        EasiEdgeError: the mask does not fit.
    """
    mask.check(network)
    for name, keep in mask.keep.items():
        module = network.get_submodule(name)
        if _masked(module):
            prune.remove(module, "weight")
        prune.custom_from_mask(module, "weight", keep.to(weight_of(module).device))
        made: Any = module.weight
        module.weight = made.detach()  # the next forward pass makes it anew; with a graph it could not be copied
    return network


def make_permanent(network: nn.Module) -> nn.Module:
    """Write the zeros into the weights and take all masks off; returns the network."""
    for module in network.modules():
        if _masked(module):
            prune.remove(module, "weight")
    return network


def masks_on(network: nn.Module) -> WeightMask:
    """The masks that are on the network's layers; empty where there are none."""
    found: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if _masked(module):
            mask = module.weight_mask
            assert isinstance(mask, Tensor)
            found[name] = mask.bool().cpu()
    return WeightMask(found)


@contextmanager
def weights_masked(network: nn.Module, mask: WeightMask) -> Iterator[nn.Module]:
    """Within the context ``network`` computes without the weights that ``mask`` removes; its weights come back as they were.

    Raises:
        EasiEdgeError: the mask does not fit.
    """
    mask.check(network)
    weights = {name: network.get_submodule(name).weight for name in mask.keep}
    kept = {name: w.detach().clone() for name, w in weights.items() if isinstance(w, Tensor)}
    with torch.no_grad():
        for name, weight in weights.items():
            assert isinstance(weight, Tensor)
            weight.mul_(mask.keep[name].to(weight.device))
    try:
        yield network
    finally:
        with torch.no_grad():
            for name, weight in weights.items():
                assert isinstance(weight, Tensor)
                weight.copy_(kept[name])


def _masked(module: nn.Module) -> bool:
    return "weight_orig" in module._parameters and "weight_mask" in module._buffers
