"""Pruning in plain Python: a network, batches and a budget in, a smaller network out."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import fx, nn

from easiedge.errors import DataError, EasiEdgeError
from easiedge.memory_check import check_memory
from easiedge.model.digest import UndigestibleError, circumstances, digest
from easiedge.model.filter_groups import find_groups
from easiedge.run_lock import locked
from easiedge.schedule.admm import Admm
from easiedge.schedule.iterative import Iterative
from easiedge.schedule.one_shot import OneShot
from easiedge.schedule.outcome import Schedule, Task
from easiedge.schedule.selection import Selection
from easiedge.scoring.batches import inputs_of
from easiedge.scoring.score import accepts
from easiedge.scoring.score_store import SharedScores
from easiedge.store import Store
from easiedge.surgery.equivalence import prove_equivalence
from easiedge.training.recipe import Recipe
from easiedge.training.resume.memory import RunMemory
from easiedge.training.seeded_passes import SeededPasses
from easiedge.training.stages import Stages
from easiedge.unit import Budget, FilterGroup

_log = logging.getLogger(__name__)

METHODS: dict[str, tuple[Schedule, Selection]] = {
    "easiedge": (Admm(), Selection()),
    "one_shot": (OneShot(), Selection()),
    "iterative": (Iterative(), Selection(criterion="taylor_information_gain", compensation=None)),
}


def prune(
    model: nn.Module,
    train_batches: Iterable[Any],
    val_batches: Iterable[Any],
    *,
    budget: Budget,
    method: str = "easiedge",
    groups: Sequence[FilterGroup] | None = None,
    epochs: int = 5,
    recipe: Recipe | None = None,
    schedule: Schedule | None = None,
    selection: Selection | None = None,
    calibration_images: int = 1024,
    seed: int = 0,
    progress: bool = True,
    directory: str | Path | None = None,
) -> fx.GraphModule:
    """Prune ``model`` to ``budget`` and fine-tune what is left; ``model`` is left as it was.

    Args:
        model: a trained classifier.
        train_batches: batches (inputs, targets); gone through once an epoch, so a loader or a list, not a generator.
        val_batches: validation batches, which choose the best epoch; never the test set.
        budget: what must go, at least.
        method: ``"easiedge"`` (ADMM), ``"one_shot"`` or ``"iterative"``.
        groups: the units that compete; all by default.
        epochs: of fine-tuning after the removal.
        recipe: of training in ADMM and fine-tuning; SGD with learning rate 0.02 by default.
        schedule: instead of the method's own.
        selection: instead of the method's own.
        calibration_images: training images for scores and compensation.
        seed: of everything random.
        progress: show progress on standard error.
        directory: keeps the state of the work; the same call goes on there where it was stopped, and ends as if it never had been.
            Called again when it is finished, it comes back with the same network in seconds.  None keeps nothing.

    Returns:
        The smaller network with the weights of the best validation epoch, in eval mode.

    Raises:
        EasiEdgeError: unknown method, budget out of reach, no batches, or a network that cannot be pruned.
    """
    if method not in METHODS:
        raise EasiEdgeError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    usual_schedule, usual_selection = METHODS[method]
    chosen = selection or usual_selection
    if selection is None and accepts(chosen.criterion, "seed"):
        chosen = replace(chosen, options={**chosen.options, "seed": seed})
    tuned = recipe or Recipe(epochs=max(epochs, 1), lr=0.02, weight_decay=1e-4)
    how = schedule or usual_schedule
    with nullcontext() if directory is None else locked(Path(directory)):
        pl.seed_everything(seed, workers=True, verbose=False)
        batches = SeededPasses.of(train_batches, seed)
        calibration = take_images(batches, calibration_images)
        found = list(groups) if groups is not None else find_groups(model, inputs_of(calibration[0])[:2])
        network = copy.deepcopy(model)
        check_memory(network, found, calibration, chosen.ways())
        recipes = {"admm": tuned, "finetune": tuned}
        stages = Stages(batches, val_batches, recipes, seed=seed, progress=progress, calibration=calibration)
        if directory is not None:
            choice = {**vars(chosen), "scorer": None, "clock": chosen.clock is not None}
            decisive = (budget, how, choice, found, calibration, epochs, seed)
            stages = replace(stages, memory=_memory(Path(directory), network, *decisive))
            chosen = replace(chosen, scorer=SharedScores(Store(Path(directory) / "scores")))
        task = Task(network, found, budget, chosen, calibration, stages.train, stages.validate, _log.info)
        outcome = how(task)
        prove_equivalence(outcome.network, outcome.groups, outcome.within, outcome.compact, calibration[:1])
        if epochs:
            stages.train(
                outcome.compact,
                epochs=epochs + outcome.epochs_left,
                stage="fine-tuning",
                tutor=network,
                keep_start=True,
            )
    outcome.compact.eval()
    return outcome.compact


def _memory(directory: Path, network: nn.Module, *decisive: Any) -> RunMemory | None:
    """What an earlier call with the same arguments has left there; None where the arguments cannot be told apart."""
    try:
        return RunMemory(directory, digest(network, list(decisive)), circumstances(network))
    except UndigestibleError as reason:
        _log.warning(
            "nothing is kept in %s: %s cannot be compared with what an earlier call was given", directory, reason
        )
        return None


def take_images(batches: Iterable[Any], images: int) -> list[Any]:
    """The first batches that together hold at least ``images`` images, or all there are.

    Raises:
        DataError: there are none.
    """
    taken, count = [], 0
    for batch in batches:
        taken.append(batch)
        count += len(inputs_of(batch))
        if count >= images:
            break
    if not taken:
        raise DataError("there are no training batches: pass a loader or a list, not a generator that is used up")
    return taken
