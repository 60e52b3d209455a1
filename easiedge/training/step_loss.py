"""The loss that a training step gave, as Lightning hands it to callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

WHOLE = "loss_of_the_whole_batch"


def step_loss(outputs: Any) -> Tensor | None:
    """What `training_step` returned as the loss, before Lightning divides it by the batches of a step; None where that is no tensor."""
    loss = outputs.get(WHOLE, outputs.get("loss")) if isinstance(outputs, Mapping) else outputs
    return loss if isinstance(loss, Tensor) else None
