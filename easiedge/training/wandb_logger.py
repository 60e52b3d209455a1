"""Lightning's W&B logger with the curves of each stage under one name and nothing else in the way."""

from __future__ import annotations

from collections.abc import Mapping

from pytorch_lightning.loggers import WandbLogger

ADMM = "admm"


class StageLogger(WandbLogger):
    """Curves are called ``dense/...``, ``admm/...`` and ``finetune/...``; the epoch, which the step tells too, makes no curve of its own.

    Attributes:
        admm_prefix: of the W-steps' own losses, which so stand beside the residuals that the callback calls ``admm/...`` itself.
    """

    admm_prefix = ADMM

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log one step's figures."""
        kept = {name: value for name, value in metrics.items() if name != "epoch"}
        if self._prefix == ADMM:
            kept = {name.removeprefix(f"{ADMM}/"): value for name, value in kept.items()}
        super().log_metrics(kept, step)
