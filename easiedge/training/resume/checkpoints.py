"""Saves training under way and goes on from what was saved: weights, optimiser, schedule, callbacks, random states, place in the data."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins import CheckpointIO
from pytorch_lightning.callbacks import Checkpoint

from easiedge.processes import first, gathered, highest, rank
from easiedge.training.batches import SizedBatches
from easiedge.training.resume.halt import HALT
from easiedge.training.resume.memory import StageMemory
from easiedge.training.resume.random_state import random_state, restore_random_state


class Checkpoints(Checkpoint):
    """Saves between batches and at the ends of epochs when the memory's pace says so, and before stopping on request.

    Lightning calls it after all other callbacks, so that their states are those of the same moment.

    Args:
        memory: of the stage.
        loader: the training batches; a resumed epoch goes on behind the last batch that was trained on.
    """

    def __init__(self, memory: StageMemory, loader: SizedBatches) -> None:
        self.memory, self.loader = memory, loader
        self.random: list[dict[str, Any]] | None = None
        self.place = {"epoch": 0, "position": 0}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The random states of the moment that was saved."""
        HALT.take_over()
        if self.random is not None:
            restore_random_state(self.random[min(rank(), len(self.random) - 1)])  # there may have been fewer processes
            self.random = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Between two batches of an epoch; behind the last one the epoch's end follows."""
        if not trainer.is_last_batch:
            self._look(trainer, {"epoch": self.loader.epoch_of_pass, "position": batch_idx + 1})

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Between two epochs; behind the last one the stage's end follows."""
        if not trainer.should_stop and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            self._look(trainer, {"epoch": self.loader.epoch, "position": 0})

    def state_dict(self) -> dict[str, Any]:
        """Random states of all processes, and place."""
        return {"random": gathered(random_state()), "place": self.place}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.random = state_dict["random"]
        self.loader.go_on(**state_dict["place"])

    def _look(self, trainer: pl.Trainer, place: dict[str, int]) -> None:
        asked, due = highest(HALT.signal or 0, int(first() and self.memory.pace.due()))
        if asked or due:
            self.place = place
            self.memory.pace.saving(lambda: trainer.save_checkpoint("state"))
        if asked:
            HALT.signal = asked  # another process may have been asked
            HALT.stop()


class MemoryIO(CheckpointIO):  # type: ignore[misc]
    """Lightning's checkpoints in a `StageMemory`, whatever path it names."""

    def __init__(self, memory: StageMemory, state: dict[str, Any] | None) -> None:
        self.memory, self.state = memory, state

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Keep it."""
        self.memory.save(int(checkpoint["global_step"]), checkpoint)

    def load_checkpoint(self, path: Any, *args: Any, **options: Any) -> dict[str, Any]:
        """The state that training goes on from."""
        assert self.state is not None
        return self.state

    def remove_checkpoint(self, path: Any) -> None:
        """The memory removes by itself."""
