"""Calibration batches: inputs alone or with labels, checked and moved to the network's device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import DataError, EasiEdgeError
from easiedge.model.graph import device_of
from easiedge.model.logits import class_logits

Batches = Iterable[Any]
Tutor = Callable[[Tensor], Tensor] | Sequence[Tensor]


def inputs_of(batch: Any) -> Tensor:
    """The images of a batch that is ``x`` or ``(x, y)``."""
    x = batch if isinstance(batch, Tensor) else batch[0]
    if not isinstance(x, Tensor) or x.ndim < 2:
        raise DataError("a calibration batch must be a tensor [batch, ...] or a pair (inputs, targets)")
    return x


def labels_of(batch: Any, criterion: str) -> Tensor:
    """The labels of a batch ``(x, y)``."""
    if isinstance(batch, Tensor) or len(batch) < 2 or not isinstance(batch[1], Tensor):
        raise DataError(
            f"criterion {criterion!r} needs labels: give batches of (inputs, targets), or choose taylor_information_gain, "
            "joint_information_gain, information_gain, magnitude or random, which do not"
        )
    return batch[1]


def on_device(
    model: nn.Module, batches: Batches, criterion: str, labels: bool = False
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield ``(inputs, labels or None)`` on the model's device; an empty iterable is an error."""
    device, seen = device_of(model), False
    for batch in batches:
        seen = True
        targets = labels_of(batch, criterion).to(device) if labels else None
        yield inputs_of(batch).to(device, copy=True), targets  # a forward may work in place on its input
    if not seen:
        raise DataError(
            f"criterion {criterion!r} was given no batches: pass a list of batches, or a loader that is not used up"
        )


def told_by(tutor: Tutor, inputs: Tensor, batch: int) -> Tensor:
    """The tutor's logits on a batch: asked for, or from the list of all batches' logits."""
    return logits_of(tutor(inputs) if callable(tutor) else tutor[batch].to(inputs.device), batch)


def logits_of(output: Any, batch: int) -> Tensor:
    """The class logits ``[batch, classes]`` of a network's output; outputs that are not finite are an error."""
    logits = class_logits(output)
    if logits is None:
        raise EasiEdgeError("scoring needs a classifier: the network's output must be logits of shape [batch, classes]")
    if not bool(torch.isfinite(logits.detach()).all()):
        raise EasiEdgeError(
            f"the network's outputs on calibration batch {batch} are not finite: check the weights and the inputs"
        )
    return logits
