"""Calibration batches: inputs alone or with labels, checked and moved to the network's device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from easiedge.errors import DataError, EasiEdgeError
from easiedge.model.graph import device_of
from easiedge.model.logits import class_logits

Batches = Iterable[Any]
Tutor = Callable[[Tensor], Tensor] | Sequence[Tensor]

# every criterion that is content with inputs alone, best first; a test compares it with the registry
WITHOUT_LABELS = (
    "taylor_information_gain",
    "joint_information_gain",
    "information_gain",
    "optimal_brain_surgeon",
    "optimal_brain_damage",
    "mutual_information",
    "activation_entropy",
    "mean_activation",
    "channel_variance",
    "apoz",
    "hrank",
    "lamp",
    "l1_magnitude",
    "l2_magnitude",
    "geometric_median",
    "network_slimming",
    "random",
)


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
            f"criterion {criterion!r} needs labels: give batches of (inputs, targets), or choose one that does not: "
            f"{', '.join(WITHOUT_LABELS)}"
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
    if not callable(tutor) and batch >= len(tutor):
        raise EasiEdgeError(
            f"the tutor has logits of {len(tutor)} batches, and there are more: give those of every batch"
        )
    logits = logits_of(tutor(inputs) if callable(tutor) else tutor[batch].to(inputs.device), batch)
    if len(logits) != len(inputs):
        raise EasiEdgeError(
            f"the tutor's logits of batch {batch} are of {len(logits)} images, the batch has {len(inputs)}"
        )
    return logits


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


def one_hot(labels: Tensor, logits: Tensor) -> Tensor:
    """The labels ``[batch]`` as rows of zeros and a one, ``[batch, classes]``, in the dtype of the logits ``[batch, classes]``.

    Raises:
        DataError: the labels are not one class number per image, in the range of the network's classes.
    """
    batch, classes = logits.shape
    if labels.shape != (batch,) or labels.is_floating_point() or labels.is_complex():
        raise DataError(
            f"labels must be one class number for each of the {batch} images of a batch, not {labels.dtype} of shape {list(labels.shape)}"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise DataError(
            f"classes do not match: the labels run from {low} to {high}, the network has {classes} classes (0 to {classes - 1}); "
            "give the data that it was trained for, or a network with as many classes"
        )
    return F.one_hot(labels.long(), classes).to(logits.dtype)
