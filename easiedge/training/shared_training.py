"""The dense training of a sweep, done once: later jobs that would train the same network the same way load its weights."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from easiedge.model.digest import UndigestibleError, circumstances, digest
from easiedge.store import Store
from easiedge.training.batches import content_of
from easiedge.training.best_epoch import snapshot
from easiedge.training.loggers import log_fact
from easiedge.training.stages import Stages

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SharedTraining:
    """Trains by a recipe, or loads what an earlier job has trained from the same start by the same recipe.

    Attributes:
        store: where the weights are.
        job: name of this job, for those that load what it trained.
        recipe: name of the recipe in `Stages`.
    """

    store: Store
    job: str
    recipe: str = "train"

    def __call__(self, network: nn.Module, stages: Stages, train: Callable[[], object]) -> None:
        """Leave ``network`` and ``stages`` as ``train()`` does, which is called only where nobody has."""
        try:
            key = self.key(network, stages)
        except UndigestibleError as reason:
            log.info(
                "%s is not shared between jobs: its data or network hold what cannot be compared (%s)",
                self.recipe,
                reason,
            )
            train()
            return
        entry = self.store.get(key)
        if entry is None:
            train()
            facts = {"job": self.job, "epoch": getattr(stages.train_batches, "epoch", None)}
            self.store.put(key, snapshot(network), facts)
            return
        weights, facts = entry
        network.load_state_dict(weights)
        if facts["epoch"] is not None:
            stages.train_batches.epoch = facts["epoch"]  # type: ignore[attr-defined]
        log.info("dense weights: those that job %s of this sweep trained; nothing is trained again", facts["job"])
        if stages.logger is not None:
            log_fact(stages.logger, "dense/trained_by_job", facts["job"])

    def key(self, network: nn.Module, stages: Stages) -> str:
        """The digest of all that decides the weights: the network before training, images, recipe, precision, seed, code.

        Raises:
            UndigestibleError: the batches are a loader that does not say what it gives.
        """
        images = [content_of(batches) for batches in (stages.train_batches, stages.val_batches)]
        settings = (stages.recipes[self.recipe], stages.precision, stages.seed, dict(stages.options))
        return digest("training", circumstances(network), network, images, settings)
