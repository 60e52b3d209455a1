"""A network whose outputs differ from one evaluation to the next cannot be scored."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.graph import device_of, evaluating
from easiedge.model.logits import class_logits
from easiedge.scoring.batches import Batches, inputs_of


class Checked:
    """The batches as they are; when the first is taken, ``model`` is evaluated on it twice and must say the same."""

    def __init__(self, model: nn.Module, batches: Batches) -> None:
        self.model, self.batches, self.checked = model, batches, False

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.batches)
        if not self.checked:
            self.checked = True
            first = next(batches, None)
            if first is None:
                return
            check_deterministic(self.model, first)
            batches = itertools.chain([first], batches)
        yield from batches


@torch.no_grad()
def check_deterministic(model: nn.Module, batch: Any, tolerance: float = 1e-3) -> None:
    """Raise unless two evaluations of up to eight images agree to ``tolerance``, relative to the largest output.

    Raises:
        ModelError: they do not.
    """
    x = inputs_of(batch)[:8].to(device_of(model))
    with evaluating(model):
        first, second = (class_logits(model(x.clone())) for _ in range(2))
    if first is None or second is None:
        raise EasiEdgeError("scoring needs a classifier: the network's output must be logits of shape [batch, classes]")
    difference, largest = float((first - second).abs().max()), float(first.abs().max())
    if difference > tolerance * max(largest, 1e-12):
        raise ModelError(
            f"the forward of {type(model).__name__} is not deterministic in eval mode (two passes over the same images differ by "
            f"{difference:.2g}): remove what draws random numbers there, such as dropout that ignores eval()"
        )
