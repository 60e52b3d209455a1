"""Accuracy and logits of a network on batches, in eval mode and in float32 unless told otherwise; the network is left as it was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import DataError, TrainingError
from easiedge.model.graph import device_of, evaluating
from easiedge.model.logits import class_logits
from easiedge.training.in_parts import InParts
from easiedge.training.precision import Precision


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
    for outputs, targets in _labelled(network, loader, device):
        right += int((outputs.argmax(1) == targets).sum())
        seen += len(targets)
    return right / seen


def accuracy_and_loss(
    network: nn.Module, loader: Iterable[Any], arithmetic: Precision | None = None
) -> tuple[float, float]:
    """Top-1 accuracy and mean cross entropy in nats over all batches ``(inputs, targets)``.

    Args:
        network: left in its mode, on its device.
        loader: batches.
        arithmetic: that of a training, so that its epochs compare with a network measured here; None is float32.
    """
    right, loss, seen = 0, 0.0, 0
    for outputs, targets in _labelled(network, loader, None, arithmetic):
        right += int((outputs.argmax(1) == targets).sum())
        loss += float(nn.functional.cross_entropy(outputs, targets, reduction="sum"))
        seen += len(targets)
    return right / seen, loss / seen


def logits(network: nn.Module, loader: Iterable[Any], device: torch.device | str | None = None) -> Tensor:
    """Logits ``[images, classes]`` float32 on the CPU, of batches of inputs or ``(inputs, targets)``, in order."""
    return torch.cat([outputs.cpu() for outputs, _ in _passes(network, loader, device)])


def _labelled(
    network: nn.Module,
    loader: Iterable[Any],
    device: torch.device | str | None,
    arithmetic: Precision | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits and targets, on one device."""
    for outputs, targets in _passes(network, loader, device, arithmetic):
        if targets is None:
            raise DataError("accuracy needs batches of (inputs, targets): these have no targets")
        yield outputs, targets.to(outputs.device)


def _passes(
    network: nn.Module,
    loader: Iterable[Any],
    device: torch.device | str | None,
    arithmetic: Precision | None = None,
) -> Iterator[tuple[Tensor, Tensor | None]]:
    home, run = device_of(network), InParts(lambda x: logits_of(network(x)))
    place, seen = torch.device(device) if device is not None else home, False
    bf16 = arithmetic is not None and arithmetic.precision == "bf16-mixed"
    planar = arithmetic is not None and arithmetic.channels_last
    try:
        network.to(place)
        with evaluating(network), torch.inference_mode(), torch.autocast(place.type, torch.bfloat16, enabled=bf16):
            for batch in loader:
                inputs, targets = (batch, None) if isinstance(batch, Tensor) else (batch[0], batch[1])
                x = inputs.to(place)
                if planar and x.ndim == 4:
                    x = x.contiguous(memory_format=torch.channels_last)
                yield run(x).float(), targets
                seen = True
    finally:
        network.to(home)
    if not seen:
        raise DataError("there are no batches to evaluate on: pass a list of batches, or a loader that is not used up")
