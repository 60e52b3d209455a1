"""Reuse of the channels that stay (Polyak & Wolf, *Channel-level Acceleration of Deep Face Representations*, IEEE Access 2015).

    minimise over A   mean over images and positions of ‖ x_gone - A x_kept ‖² + ridge * ‖A‖²
    w'_kept = w_kept + A' w_gone          for every layer that reads the channels

What a removed channel said is put together from those that stay, position by position, and A is folded into the reader's weights: nothing is
added to the network.  A is one map for all positions of a kernel, where `easiedge.surgery.compensate` refits each weight of the reader.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.model.graph import evaluating
from easiedge.scoring.batches import Batches, logits_of, on_device
from easiedge.unit import FilterGroup, FilterMask, Member

POSITIONS = 64  # of each image and width that are looked at, evenly spread


def reused(
    network: nn.Module, groups: Sequence[FilterGroup], mask: FilterMask, batches: Batches, ridge: float = 1e-3
) -> nn.Module:
    """A copy of ``network`` whose readers make up for the units that ``mask`` removes; readers of several convolution groups stay as they are.

    Memory: the square of the units of each group for each of its readers.
    """
    fitted = copy.deepcopy(network)
    wanted = [
        (group, member)
        for group in groups
        for member in group.members
        if member.axis == "in"
        and not bool(mask.keep[group.name].all())
        and int(getattr(network.get_submodule(member.layer), "groups", 1)) == 1
    ]
    grams = _grams(network, wanted, batches)
    for (group, member), gram in zip(wanted, grams, strict=True):
        keep = mask.keep[group.name]
        kept, cross = gram[keep][:, keep], gram[keep][:, ~keep]
        pull = ridge * kept.diagonal().mean().clamp(min=1e-30)
        A = torch.linalg.solve(kept + pull * torch.eye(len(kept), dtype=gram.dtype), cross).mT  # [gone, kept]
        _fold(fitted.get_submodule(member.layer), member, keep, A)
    return fitted


def _fold(reader: nn.Module, member: Member, keep: Tensor, A: Tensor) -> None:
    weight = reader.weight
    assert isinstance(weight, Tensor)
    index = member.index.to(weight.device)
    by_unit = weight.data[:, index]  # [outputs, units, width, *kernel]
    added = torch.einsum("gk,og...->ok...", A.to(weight), by_unit[:, ~keep])
    weight.data[:, index[keep].flatten()] += added.flatten(1, 2)


@torch.no_grad()
def _grams(network: nn.Module, wanted: Sequence[tuple[FilterGroup, Member]], batches: Batches) -> list[Tensor]:
    """Products of the units' activations ``[units, units]`` at each reader, in float64."""
    grams = [torch.zeros(group.size, group.size, dtype=torch.float64) for group, _ in wanted]

    def read(module: nn.Module, inputs: tuple[Any, ...], into: Tensor, member: Member) -> None:
        x = inputs[0].movedim(-1, 1) if isinstance(module, nn.Linear) else inputs[0]
        x = x[:, member.index.flatten().to(x.device)].unflatten(1, tuple(member.index.shape))
        x = x.reshape(*x.shape[:3], -1)  # [batch, units, width, positions]
        at = torch.linspace(0, x.shape[3] - 1, min(x.shape[3], POSITIONS)).round().long()
        x = x[..., at.to(x.device)]
        rows = x.transpose(0, 1).flatten(1).double().cpu()
        into += rows @ rows.mT

    hooks = [
        network.get_submodule(member.layer).register_forward_pre_hook(partial(read, into=gram, member=member))
        for (_, member), gram in zip(wanted, grams, strict=True)
    ]
    try:
        with evaluating(network):
            for number, (x, _) in enumerate(on_device(network, batches, "reduce and reuse")):
                logits_of(network(x), number)
    finally:
        for hook in hooks:
            hook.remove()
    return grams
