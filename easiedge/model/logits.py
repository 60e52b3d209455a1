"""What of a network's output is its class logits."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def class_logits(output: Any) -> Tensor | None:
    """Logits ``[batch, classes]``: the output itself, or its field ``logits`` (GoogLeNet, Inception); None for no classifier."""
    found = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    return found if isinstance(found, Tensor) and found.ndim == 2 else None
