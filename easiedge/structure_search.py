"""``easiedge search``: each family is trained, searched, and thresholded; what came of it as values."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from easiedge.assembly import Parts
from easiedge.errors import ModelError
from easiedge.model.count import count
from easiedge.model.filter_groups import find_groups
from easiedge.model.tiny import FAMILIES
from easiedge.one_thread import one_thread
from easiedge.search.acceptance import least_accuracy
from easiedge.search.beginning import check_classes, check_start, samples_of
from easiedge.search.checkpoint import as_content, of_content
from easiedge.search.evaluation import Evaluation
from easiedge.search.greedy import Progress, begun, search
from easiedge.search.lean_training import LeanTraining, Quality, Samples, logits_of, quality
from easiedge.search.request import SearchRequest
from easiedge.search.structure import original
from easiedge.search.tq import TqResult, tq
from easiedge.training.resume.halt import HALT
from easiedge.unit import FilterGroup

log = logging.getLogger(__name__)
PROOF_SAMPLES = 64
EVERY = 5.0  # seconds between two lines of progress


@dataclass(frozen=True, eq=False)
class Design:
    """What a search found for one family.

    Attributes:
        name: of the family.
        network: the original, trained.
        groups: its units.
        start: its validation quality.
        floor: least validation accuracy that was accepted.
        progress: the search at its end.
        tq: what TQ made of it, where it was asked for.
        figures: ``params``, ``macs``, ``val_accuracy`` of the structured network, and what they were.
    """

    name: str
    network: nn.Module
    groups: Sequence[FilterGroup]
    start: Quality
    floor: float
    progress: Progress
    tq: TqResult | None
    figures: dict[str, Any]


def structure_search(parts: Parts, request: SearchRequest, batch_size: int) -> dict[str, Design]:
    """Search every family that was asked for, by name.

    Raises:
        DataError: a class without an image.
        TrainingError: a network that does not reach what is asked of it before anything is removed.
    """
    check_classes(parts.data)
    training = samples_of(parts.data.train, parts.data, request.images, parts.seed)
    validation = samples_of(parts.data.val, parts.data, None, parts.seed)
    designs = {}
    for name in request.families or (parts.names.model,):
        of_family = _family(parts, name) if request.families else parts
        designs[name] = _design(of_family, name, request, batch_size, training, validation)
    return designs


def _family(parts: Parts, name: str) -> Parts:
    torch.manual_seed(parts.seed)
    network = FAMILIES[name](parts.data.num_classes, parts.data.input_shape)
    groups = find_groups(network, parts.calibration[0][0][:2])
    return replace(parts, names=replace(parts.names, model=name), network=network, groups=groups)


def _design(
    parts: Parts, name: str, request: SearchRequest, batch_size: int, training: Samples, validation: Samples
) -> Design:
    if not parts.weighted:
        parts.stages.train(parts.network, recipe="train", stage=f"dense training of {name}")
    network = parts.network.cpu().eval()
    start = quality(network, validation)
    floor = least_accuracy(request.T, start.accuracy if request.original is None else request.original)
    lean = lean_training(network, parts, request, batch_size, training, validation)
    check_start(name, network, start, floor, lean, parts.seed)
    found = _searched(parts, name, network, start, floor, lean, request)
    structured = found.structure.network
    example = training.x[:2]
    figures = {
        "dense": count(network, example), **count(structured, example), "val_accuracy": found.structure.quality.accuracy,
    }  # fmt: skip
    return Design(name, network, parts.groups, start, floor, found, _tq(structured, request, lean, parts.seed), figures)


def lean_training(
    network: nn.Module, parts: Parts, request: SearchRequest, batch_size: int, training: Samples, validation: Samples
) -> LeanTraining:
    """How candidates are trained: by the recipe for fine-tuning."""
    recipe = parts.stages.recipes["finetune"]
    if request.epochs is not None:
        recipe = replace(recipe, epochs=request.epochs)
    tutor = logits_of(network, training) if recipe.distillation else None
    return LeanTraining(training, validation, recipe, batch_size, request.start == "scratch", tutor)


def _searched(
    parts: Parts,
    name: str,
    network: nn.Module,
    start: Quality,
    floor: float,
    lean: LeanTraining,
    request: SearchRequest,
) -> Progress:
    """The search, from its last checkpoint where there is one."""
    inputs = lean.train.x[:PROOF_SAMPLES]
    calibration = [x.to("cpu") for x, _ in parts.calibration]
    strategy = request.make_strategy(calibration)
    if all(g.size == 1 for g in parts.groups):
        raise ModelError(
            f"every layer of {name} has one unit already ({', '.join(g.name for g in parts.groups)}): nothing can go"
        )
    memory = None
    if parts.stages.memory is not None:
        memory = parts.stages.memory.stage(f"search of {name}", network, replace(request, processes=1), floor)
    done = None if memory is None else memory.finished() or memory.latest()
    with one_thread():
        progress = (
            begun(original(network, parts.groups, start, inputs), strategy)
            if done is None
            else of_content(done, inputs)
        )
        if done is not None:
            log.info("search of %s goes on from step %d", name, progress.state.step)
        said = time.monotonic()

        def remember(now: Progress) -> None:
            nonlocal said
            if memory is not None and now.steps:
                memory.save(now.state.step, as_content(now))
            if now.steps and time.monotonic() - said > EVERY:
                said = time.monotonic()
                last = now.steps[-1]
                log.info(
                    "search of %s, step %d (%s): %d units left, %d layers open",
                    name,
                    last.step,
                    last.phase,
                    last.units,
                    len(now.state.open),
                )
            HALT.check()

        with Evaluation(lean, request.processes) as evaluate:
            progress = search(
                progress, strategy, evaluate, floor, seed=parts.seed, calibration=calibration, remember=remember
            )
    if memory is not None:
        memory.finish(as_content(progress))
    return progress


def _tq(network: nn.Module, request: SearchRequest, lean: LeanTraining, seed: int) -> TqResult | None:
    if request.tq is None:
        return None
    retrain = None
    if request.tq.epochs:
        training = replace(lean, recipe=replace(lean.recipe, epochs=request.tq.epochs), from_scratch=False)

        def retrain(tried: nn.Module) -> None:
            training(tried, seed, hold_zeros=True)

    with one_thread():
        return tq(network, request.tq, lambda n: quality(n, lean.val), retrain)
