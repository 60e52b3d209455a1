"""Gates: multiply every normalised output of a unit by its gate, on the network as it is, through forward hooks.

A gate of 0 equals the removal of the unit; a gate of 1 changes nothing.  Gates have the shape ``[batch, units]``, one row
per image, so that one backward pass gives the gate gradients of every image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.model.graph import device_of
from easiedge.unit import FilterGroup, FilterMask


def columns(groups: Sequence[FilterGroup]) -> dict[str, slice]:
    """Columns of each group in arrays over the units of ``groups``, one group after the other."""
    spans, start = {}, 0
    for group in groups:
        spans[group.name] = slice(start, start + group.size)
        start += group.size
    return spans


def unit_of_channel(model: nn.Module, groups: Sequence[FilterGroup]) -> dict[str, Tensor]:
    """For each gated layer, the column of the unit that owns each channel ``[channels]``; ``units`` where none does."""
    modules, spans = dict(model.named_modules()), columns(groups)
    units = sum(g.size for g in groups)
    owners: dict[str, Tensor] = {}
    for group in groups:
        for layer in group.gates:
            if layer not in modules:
                raise ModelError(
                    f"group {group.name!r} names layer {layer!r}, which this network does not have: find the groups on it anew"
                )
            owner = owners.setdefault(layer, torch.full((_channels(modules[layer]),), units))
            index = group.produced(layer)
            owner[index.reshape(-1)] = torch.arange(units)[spans[group.name]].repeat_interleave(index.shape[1])
    return owners


def _channels(module: nn.Module) -> int:
    for name in ("out_channels", "out_features", "num_features", "num_parameters"):
        if hasattr(module, name):
            return int(getattr(module, name))
    raise ModelError(
        f"a gate behind {type(module).__name__} is not supported: only convolutions, linear layers and channel norms have units"
    )


def _multiply(output: Tensor, gate: Tensor, linear: bool) -> Tensor:
    """``output`` times ``gate`` ``[batch or 1, channels]`` along the channels: last for linear layers, second otherwise."""
    if linear:
        return output * gate.reshape(gate.shape[0], *[1] * (output.ndim - 2), gate.shape[1])
    return output * gate.reshape(*gate.shape, *[1] * (output.ndim - 2))


@contextmanager
def gated(model: nn.Module, groups: Sequence[FilterGroup], gates: Tensor) -> Iterator[nn.Module]:
    """Apply ``gates`` ``[batch or 1, units]`` (columns as in `columns`) to ``model``; differentiable in the gates."""
    owners = unit_of_channel(model, groups)
    padded = torch.cat([gates, gates.new_ones(gates.shape[0], 1)], 1)
    modules = dict(model.named_modules())
    hooks = []
    for layer, owner in owners.items():
        gate, linear = padded[:, owner.to(gates.device)], isinstance(modules[layer], nn.Linear)
        hooks.append(
            modules[layer].register_forward_hook(
                lambda m, i, out, g=gate, lin=linear: _multiply(out, g.to(out.dtype), lin)
            )
        )  # type: ignore[misc]
    try:
        yield model
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def masked(model: nn.Module, groups: Sequence[FilterGroup], mask: FilterMask) -> Iterator[nn.Module]:
    """Within the context ``model`` computes what it would compute without the units that ``mask`` removes.

    Only gates are applied, nothing else is changed; the network trains and evaluates as usual meanwhile.

    Raises:
        EasiEdgeError: the mask does not fit the groups.
    """
    mask.check(groups)
    with gated(model, groups, gate_row(groups, mask, device_of(model))):
        yield model


def gate_row(groups: Sequence[FilterGroup], mask: FilterMask, device: torch.device | None = None) -> Tensor:
    """The mask as gates ``[1, units]`` of zeros and ones; groups that the mask does not name are kept."""
    rows = [mask.keep.get(g.name, torch.ones(g.size, dtype=torch.bool)) for g in groups]
    return torch.cat(rows).to(device=device, dtype=torch.float32)[None]
