"""``curves.csv``: the figures of every epoch of every stage of a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from easiedge.atomic import write_atomically

COLUMNS = ("stage", "epoch", "train_loss", "val_loss", "val_accuracy", "lr")


class Curves:
    """Collects epochs and keeps the file whole: it is written anew after each stage.

    Columns: the stage's name, the epoch from 0, mean training loss, validation loss and top-1 accuracy in [0, 1] after the epoch,
    and the learning rate at its end.

    Args:
        path: of the file; what an earlier run left there is replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []

    def add(self, stage: str, epochs: Iterable[Mapping[str, float]]) -> None:
        """Take the epochs of one stage; figures that it does not have stay empty."""
        for epoch in epochs:
            figures = {name: f"{epoch[name]:.6g}" for name in COLUMNS[1:] if name in epoch}
            self.rows.append({"stage": stage, **figures})
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(self.path, text.getvalue())
