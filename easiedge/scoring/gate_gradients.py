"""Gradients of a scalar per image by the gates: one backward pass, no weight gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from easiedge.model.gates import gate_row, gated
from easiedge.model.graph import device_of, evaluating
from easiedge.scoring.batches import Batches, logits_of, on_device
from easiedge.unit import FilterGroup, FilterMask


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


@dataclass
class GatedBatch:
    """A forward pass with one row of gates per image, ready to be differentiated.

    Attributes:
        inputs: images ``[batch, ...]``.
        targets: labels ``[batch]``, where asked for.
        logits: ``[batch, classes]`` with a graph back to the gates.
        gates: ``[batch, units]``.
    """

    inputs: Tensor
    targets: Tensor | None
    logits: Tensor
    gates: Tensor

    def rows(self, vector: Tensor, last: bool = False) -> Tensor:
        """``J' vector``: for each image the gradient by its gates of ``<logits, vector>``, ``[batch, units]``."""
        (gradient,) = torch.autograd.grad(self.logits, self.gates, vector.to(self.logits.dtype), retain_graph=not last)
        return gradient


def gated_batches(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Batches,
    criterion: str,
    mask: FilterMask | None = None,
    labels: bool = False,
) -> Iterator[GatedBatch]:
    """Run ``model`` on every batch with gates at ``mask`` (default: all 1) and yield what can be differentiated by them."""
    start = gate_row(groups, mask or FilterMask.full(groups), device_of(model))
    with frozen(model):
        for number, (x, y) in enumerate(on_device(model, batches, criterion, labels)):
            gates = start.expand(x.shape[0], -1).clone().requires_grad_(True)
            with torch.enable_grad(), gated(model, groups, gates):
                logits = logits_of(model(x), number)
            yield GatedBatch(x, y, logits, gates)
