"""A training that is remembered: its end is read back where it has one, else it goes on from its last state."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from pytorch_lightning import Callback
from torch import nn

from easiedge.training.batches import SizedBatches
from easiedge.training.best_epoch import snapshot
from easiedge.training.resume.checkpoints import Checkpoints, MemoryIO
from easiedge.training.resume.halt import HALT
from easiedge.training.resume.memory import StageMemory
from easiedge.training.resume.random_state import random_state, restore_random_state

PAST = ("weights", "good")  # of callbacks' states: weights of epochs gone by, which no one needs after the end


class Remembering:
    """Joins a stage's memory to what it is about.

    Args:
        memory: of the stage.
        network: laid out as in training when `end` is called, so that what is read has the layout of what was trained.
        callbacks: whose states are kept; one more is added to them, last.
        loader: the training batches.
    """

    def __init__(
        self, memory: StageMemory, network: nn.Module, callbacks: list[Callback], loader: SizedBatches
    ) -> None:
        self.memory, self.network, self.callbacks, self.loader = memory, network, callbacks, loader
        self.state: dict[str, Any] | None = None

    def end(self) -> float | None:
        """Leave everything as it was at the end of the stage, and return its seconds; None where it has not ended."""
        end = self.memory.finished()
        if end is None:
            return None
        self.network.load_state_dict(end["network"])
        for callback in self.callbacks:
            if (state := end["callbacks"].get(callback.state_key)) is not None:
                callback.load_state_dict(state)
        self.loader.go_on(end["epoch"], 0)
        restore_random_state(end["random"])
        self.memory.run.earlier += float(end["seconds"])
        return float(end["seconds"])

    def options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The trainer's, so that it saves and goes on."""
        self.state = self.memory.latest()
        plugins = options.get("plugins") or []
        plugins = [*plugins] if isinstance(plugins, list | tuple) else [plugins]
        self.callbacks.append(Checkpoints(self.memory, self.loader))
        return {**options, "enable_checkpointing": True, "plugins": [*plugins, MemoryIO(self.memory, self.state)]}

    @property
    def path(self) -> str | None:
        """What to go on from, for Lightning: any name."""
        return None if self.state is None else "state"

    def stopping(self) -> AbstractContextManager[None]:
        """Within, a request to stop waits for the batch and the state that is saved after it."""
        return HALT.while_saving()

    def finish(self, seconds: float) -> None:
        """Keep the end."""
        states = {c.state_key: dict(c.state_dict()) for c in self.callbacks if not isinstance(c, Checkpoints)}
        for state in states.values():
            state |= {name: {} for name in PAST if name in state}
        self.memory.finish(
            {
                "network": snapshot(self.network), "callbacks": {key: state for key, state in states.items() if state},
                "epoch": self.loader.epoch, "random": random_state(), "seconds": seconds,
            }
        )  # fmt: skip
