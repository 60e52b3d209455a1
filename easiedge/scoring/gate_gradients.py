"""Gradients of a scalar per image by the gates: one backward pass, no weight gradients, no products with the gates.

A gate m multiplies the output y of its layer; at m = 1 its gradient is the sum over positions of y times the gradient of y,
so the forward pass is left as it is and the backward pass collects one sum per channel and image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.model.gates import gate_row, unit_of_channel
from easiedge.model.graph import device_of, evaluating
from easiedge.model.inference import check_merged, merged
from easiedge.scoring.batches import Batches, logits_of, on_device
from easiedge.unit import FilterGroup, FilterMask

PRECISIONS = ("float32", "bfloat16")


@contextmanager
def frozen(model: nn.Module) -> Iterator[nn.Module]:
    """Eval mode and no gradients for the weights within the context; both restored afterwards."""
    flags = [(p, p.requires_grad) for p in model.parameters()]
    with evaluating(model):
        for p, _ in flags:
            p.requires_grad_(False)
        try:
            yield model
        finally:
            for p, flag in flags:
                p.requires_grad_(flag)


def _at_least_float32(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


class _Gate(torch.autograd.Function):
    """``y * gate`` for gates ``[batch, channels]`` that are all 1 or all constant 0 and 1, along ``dim`` of y."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, gate: Tensor, dim: int, fixed: Tensor | None) -> Tensor:
        shape = [1] * y.ndim
        shape[dim] = y.shape[dim]
        ctx.fixed = None if fixed is None else fixed.to(y.dtype).reshape(shape)
        ctx.others = [d for d in range(1, y.ndim) if d != dim % y.ndim]
        ctx.save_for_backward(y)
        return y.view_as(y) if ctx.fixed is None else y * ctx.fixed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (y,), (gradient,) = ctx.saved_tensors, gradients
        own = gradient * y
        own = own.sum(ctx.others, dtype=_at_least_float32(own.dtype)) if ctx.others else own
        return gradient if ctx.fixed is None else gradient * ctx.fixed, own, None, None


@dataclass
class GatedBatch:
    """A forward pass with one gate per image and channel of the gated layers, ready to be differentiated.

    Attributes:
        inputs: images ``[batch, ...]``.
        targets: labels ``[batch]``, where asked for.
        logits: ``[batch, classes]`` with a graph back to the gates.
        gates: of each gated layer ``[batch, channels]``.
        owners: of each gated layer, the column of the unit that owns each channel ``[channels]``; ``units`` where none does.
        units: number of units.
    """

    inputs: Tensor
    targets: Tensor | None
    logits: Tensor
    gates: dict[str, Tensor]
    owners: dict[str, Tensor]
    units: int

    def rows(self, vector: Tensor, last: bool = False) -> Tensor:
        """``J' vector``: for each image the gradient by its gates of ``<logits, vector>``, ``[batch, units]``."""
        gradients = torch.autograd.grad(
            self.logits, list(self.gates.values()), vector.to(self.logits.dtype), retain_graph=not last
        )
        dtype = _at_least_float32(self.logits.dtype)
        rows = torch.zeros(len(vector), self.units + 1, dtype=dtype, device=self.logits.device)
        for layer, gradient in zip(self.gates, gradients, strict=True):
            rows.index_add_(1, self.owners[layer], gradient.to(rows.dtype))
        return rows[:, :-1]


def gated_batches(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Batches,
    criterion: str,
    mask: FilterMask | None = None,
    labels: bool = False,
    merge: bool = True,
    precision: str = "float32",
) -> Iterator[GatedBatch]:
    """Run ``model`` on every batch with gates at ``mask`` (default: all 1) and yield what can be differentiated by them.

    A merged copy of the network is run (`easiedge.model.inference`), and ``model`` itself is not touched; with ``merge=False``
    it is run as it is, which must not change a gated output in place.  With ``precision="bfloat16"`` convolutions and linear
    layers multiply in bfloat16 and the sums over positions stay in float32.
    """
    if precision not in PRECISIONS:
        raise EasiEdgeError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    device, units = device_of(model), sum(g.size for g in groups)
    network: nn.Module = merged(model) if merge else model
    start = gate_row(groups, mask or FilterMask.full(groups), device)
    owners = {layer: owner.to(device) for layer, owner in unit_of_channel(model, groups).items()}
    gates: dict[str, Tensor] = {}
    with frozen(network), _tapped(network, owners, torch.cat([start[0], start.new_ones(1)]), gates):
        for number, (x, y) in enumerate(on_device(model, batches, criterion, labels)):
            if number == 0 and merge:
                check_merged(model, network, x)
            gates.clear()
            with torch.enable_grad():
                inputs = x.contiguous(memory_format=torch.channels_last) if merge and x.ndim == 4 else x
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                    logits = logits_of(network(inputs), number)
            yield GatedBatch(x, y, logits, dict(gates), owners, units)


@contextmanager
def _tapped(network: nn.Module, owners: dict[str, Tensor], start: Tensor, gates: dict[str, Tensor]) -> Iterator[None]:
    """Put a gate at ``start`` ``[units + 1]`` behind each layer of ``owners``; a forward pass leaves them in ``gates``."""
    hooks = []
    for layer, owner in owners.items():
        constant = start[owner]
        dim, fixed = (
            -1 if isinstance(network.get_submodule(layer), nn.Linear) else 1,
            None if bool((constant == 1).all()) else constant,
        )

        def gate(
            m: nn.Module, i: Any, y: Tensor, layer: str = layer, dim: int = dim, fixed: Tensor | None = fixed
        ) -> Any:
            if not torch.is_grad_enabled():  # the check against the network as it is
                return y
            if layer not in gates:  # a layer that runs twice has one gate
                gates[layer] = torch.ones(
                    y.shape[0], y.shape[dim], dtype=_at_least_float32(y.dtype), device=y.device, requires_grad=True
                )
            return _Gate.apply(y, gates[layer], dim, fixed)

        hooks.append(network.get_submodule(layer).register_forward_hook(gate))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
