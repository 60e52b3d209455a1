"""Which of several families' designs becomes the network of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BEST_FIRST = {
    "params": lambda d: (d["params"], d["macs"], -d["val_accuracy"]),
    "macs": lambda d: (d["macs"], d["params"], -d["val_accuracy"]),
    "accuracy": lambda d: (-d["val_accuracy"], d["params"], d["macs"]),
}
"""By name: the least of these comes first; figures are ``params``, ``macs`` and ``val_accuracy`` of a design."""


def best_design(designs: Mapping[str, Mapping[str, Any]], choose: str) -> str:
    """The name of the first by the criterion ``choose``; of equal ones the one that was asked for first."""
    return min(designs, key=lambda name: BEST_FIRST[choose](designs[name]))
