"""Accuracy and logits of a network on batches, in float32 and eval mode; the network is left as it was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import DataError, TrainingError
from easiedge.model.graph import device_of, evaluating
from easiedge.model.logits import class_logits


def logits_of(output: Any) -> Tensor:
    """The class logits ``[batch, classes]`` of a network's output: itself, or its field ``logits`` (GoogLeNet, Inception).

    Raises:
        TrainingError: the network is not a classifier.
    """
    found = class_logits(output)
    if found is None:
        given = getattr(output, "logits", output)
        shape = list(given.shape) if isinstance(given, Tensor) else type(output).__name__
        raise TrainingError(
            f"the network's output is {shape}, not logits of shape [batch, classes]: training needs a classifier"
        )
    return found


def accuracy(network: nn.Module, loader: Iterable[Any], device: torch.device | str | None = None) -> float:
    """Top-1 accuracy in [0, 1] over all batches ``(inputs, targets)``.

    Args:
        network: left in its mode, on its device.
        loader: batches; counted image by image, so that a short last batch weighs no more than its images.
        device: where to compute; the network's own by default.

    Raises:
        DataError: no batches, or batches without targets.
    """
    right = seen = 0
    for outputs, targets in _passes(network, loader, device):
        if targets is None:
            raise DataError("accuracy needs batches of (inputs, targets): these have no targets")
        right += int((outputs.argmax(1) == targets.to(outputs.device)).sum())
        seen += len(targets)
    return right / seen


def accuracy_and_loss(network: nn.Module, loader: Iterable[Any]) -> tuple[float, float]:
    """Top-1 accuracy in [0, 1] and mean cross entropy in nats over all batches ``(inputs, targets)``."""
    right, loss, seen = 0, 0.0, 0
    for outputs, targets in _passes(network, loader, None):
        if targets is None:
            raise DataError("accuracy needs batches of (inputs, targets): these have no targets")
        known = targets.to(outputs.device)
        right += int((outputs.argmax(1) == known).sum())
        loss += float(nn.functional.cross_entropy(outputs, known, reduction="sum"))
        seen += len(targets)
    return right / seen, loss / seen


def logits(network: nn.Module, loader: Iterable[Any], device: torch.device | str | None = None) -> Tensor:
    """Logits ``[images, classes]`` float32 on the CPU, of batches of inputs or ``(inputs, targets)``, in order."""
    return torch.cat([outputs.cpu() for outputs, _ in _passes(network, loader, device)])


def _passes(
    network: nn.Module, loader: Iterable[Any], device: torch.device | str | None
) -> Iterator[tuple[Tensor, Tensor | None]]:
    home = device_of(network)
    place, seen = torch.device(device) if device is not None else home, False
    try:
        network.to(place)
        with evaluating(network), torch.inference_mode(), torch.autocast(place.type, enabled=False):
            for batch in loader:
                inputs, targets = (batch, None) if isinstance(batch, Tensor) else (batch[0], batch[1])
                yield logits_of(network(inputs.to(place))).float(), targets
                seen = True
    finally:
        network.to(home)
    if not seen:
        raise DataError("there are no batches to evaluate on: pass a list of batches, or a loader that is not used up")
