"""The way that the first choice of a loop was made, kept where a run that goes on finds it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pytorch_lightning import Callback

from easiedge.surgery.tries import Way


class DecidedWay(Callback):
    """Goes into the trainer's checkpoint: deciding takes as long as several choices, and later ones are made the same way.

    Attributes:
        way: how; None before the first choice.
    """

    def __init__(self) -> None:
        self.way: Way | None = None

    def state_dict(self) -> dict[str, Any]:
        """In plain values."""
        return {} if self.way is None else asdict(self.way)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As it was saved; checkpoints without it leave it open."""
        self.way = Way(**state_dict) if state_dict else None
