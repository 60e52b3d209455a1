"""Proof that removal changed nothing: the masked and the shrunk network agree on real inputs, in eval mode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import EquivalenceError
from easiedge.model.gates import masked
from easiedge.model.graph import device_of, evaluating
from easiedge.unit import FilterGroup, FilterMask

RELATIVE_TOLERANCE = 1e-4
ABSOLUTE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Equivalence:
    """What was compared: largest absolute difference, largest absolute output, and the number of images."""

    max_abs_diff: float
    max_abs_output: float
    images: int


def tensors_of(output: Any) -> list[Tensor]:
    """The tensors of a network's output, in order: a tensor, or (nested) tuples, lists and dicts of them."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, dict):
        return [t for v in output.values() for t in tensors_of(v)]
    return [t for v in output for t in tensors_of(v)] if isinstance(output, tuple | list) else []


@torch.no_grad()
def prove_equivalence(
    model: nn.Module, groups: Sequence[FilterGroup], mask: FilterMask, compact: nn.Module, batches: Iterable[Any]
) -> Equivalence:
    """Compare ``model`` under ``mask`` with ``compact`` on every batch.

    The tolerance is 1e-4 of the largest output plus 1e-6: what float32 sums in another order may differ by.

    Raises:
        EquivalenceError: they differ by more, or an output is not finite.
    """
    difference = largest = 0.0
    images = 0
    with evaluating(model), evaluating(compact), masked(model, groups, mask):
        for batch in batches:
            inputs = batch if isinstance(batch, Tensor) else batch[0]
            inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
            inputs = tuple(x.to(device_of(model)) for x in inputs)
            a, b = (tensors_of(net(*[x.clone() for x in inputs])) for net in (model, compact))
            if [t.shape for t in a] != [t.shape for t in b]:
                raise EquivalenceError(
                    "the shrunk network's outputs have other shapes than the masked network's: please report this network"
                )
            for x, y in zip(a, b, strict=True):
                if not bool(torch.isfinite(x).all() and torch.isfinite(y).all()):
                    raise EquivalenceError(
                        "an output is not finite: check the weights and the inputs for NaN and infinity"
                    )
                difference = max(difference, float((x - y).abs().max()))
                largest = max(largest, float(x.abs().max()))
            images += inputs[0].shape[0]
    if not difference <= RELATIVE_TOLERANCE * largest + ABSOLUTE_TOLERANCE:
        raise EquivalenceError(
            f"the shrunk network differs from the masked network by {difference:.3g} (largest output {largest:.3g}): "
            "it is not saved; check the network's outputs for NaN, and that it is deterministic in eval mode, else report it"
        )
    return Equivalence(difference, largest, images)
