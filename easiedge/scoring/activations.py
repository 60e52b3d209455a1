"""What the layers behind a unit read of it: one number per image, reading and unit, reduced as the images stream through.

The activation of a unit is the input that it gives to the convolutions and linear layers that read it (``FilterGroup.readers``),
after norm, activation function, pooling, sums and concatenation.  That is defined on every tie; a residual stream, which many
layers read, has many readings.  A layer that runs several times in one forward reads once each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.model.graph import evaluating
from easiedge.scoring.batches import Batches, logits_of, on_device
from easiedge.unit import FilterGroup, FilterScores, Member

Reduction = Callable[[Tensor], Tensor]  # [batch, units, width, *positions] -> [batch, units]


@dataclass(frozen=True)
class ReadBatch:
    """One batch: its logits ``[batch, classes]`` and, for each group, the reduced readings ``[batch, readings, units]``."""

    logits: Tensor
    readings: dict[str, Tensor]


@torch.no_grad()
def read_batches(
    model: nn.Module, groups: Sequence[FilterGroup], batches: Batches, criterion: str, reduce: Reduction
) -> Iterator[ReadBatch]:
    """Run ``model`` on every batch and reduce what the readers of each unit read.

    ``reduce`` gets the activations of a whole layer in floating point, ``[batch, units, width, *positions]``: ``width`` is 1 for
    plain convolutions, ``height * width`` behind a flatten, the channels of a convolution group for grouped convolutions.
    Memory: the activations of one layer twice.

    Raises:
        ModelError: no layer reads a group.
    """
    for group in groups:
        if not group.readers:
            raise ModelError(
                f"{criterion} cannot score group {group.name!r}: no convolution or linear layer reads it; choose l2_magnitude or "
                "taylor_information_gain, or leave the group out"
            )
    for number, (x, _) in enumerate(on_device(model, batches, criterion)):
        found: dict[str, list[Tensor]] = {group.name: [] for group in groups}
        with evaluating(model), _reading(model, groups, reduce, found):
            logits = logits_of(model(x), number)
        yield ReadBatch(logits, {name: torch.stack(parts, 1) for name, parts in found.items()})


@contextmanager
def _reading(
    model: nn.Module, groups: Sequence[FilterGroup], reduce: Reduction, found: dict[str, list[Tensor]]
) -> Iterator[None]:
    def read(module: nn.Module, inputs: tuple[Any, ...], group: str, member: Member) -> None:
        found[group].append(reduce(_of_units(module, inputs[0], member.index)))

    hooks = [
        model.get_submodule(member.layer).register_forward_pre_hook(partial(read, group=group.name, member=member))
        for group in groups
        for member in group.members
        if member.axis == "in"
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _of_units(module: nn.Module, x: Tensor, index: Tensor) -> Tensor:
    """The channels ``index`` ``[units, width]`` of a layer's input, ``[batch, units, width, *positions]``."""
    if isinstance(module, nn.Linear):
        x = x.movedim(-1, 1)
    return x[:, index.reshape(-1).to(x.device)].unflatten(1, tuple(index.shape))


def mean_over_images(
    model: nn.Module, groups: Sequence[FilterGroup], batches: Batches, criterion: str, reduce: Reduction
) -> FilterScores:
    """The reduced readings, averaged over readings and images.  Memory: one number per unit beside one batch."""
    total, images = {g.name: torch.zeros(g.size, dtype=torch.float64) for g in groups}, 0
    for batch in read_batches(model, groups, batches, criterion, reduce):
        images += len(batch.logits)
        for name, values in batch.readings.items():
            total[name] += values.double().mean(1).sum(0).cpu()
    return FilterScores({name: value / images for name, value in total.items()}, criterion)


def pooled(values: Tensor) -> Tensor:
    """Global average pooling: the mean over width and positions, ``[batch, units]``."""
    return values.flatten(2).mean(2)


def binned(values: Tensor, bins: int) -> Tensor:
    """Bin ``[images, ...]`` of every entry of ``values`` among ``bins`` equal ones from its minimum to its maximum over dim 0.

    Entries that never change fall into bin 0.
    """
    low, high = values.amin(0), values.amax(0)
    width = torch.where(high > low, high - low, 1.0)
    return ((values - low) / width * bins).long().clamp(max=bins - 1)
