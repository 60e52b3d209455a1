"""``easiedge sensitivity``: accuracy against the share removed from one group at a time, without fine-tuning."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from easiedge.assembly import Parts
from easiedge.model.digest import digest
from easiedge.projection.removal_order import removal_order
from easiedge.report.bar import Bar
from easiedge.report.sensitivity_record import GroupCurve, LayerSensitivity, continued, write_sensitivity
from easiedge.scoring.joint_information_gain import for_refit
from easiedge.scoring.score import accepts, score
from easiedge.sensitivity_request import SensitivityRequest
from easiedge.surgery.group_accuracy import GroupAccuracy
from easiedge.surgery.removal_curve import Removal, correct
from easiedge.unit import FilterGroup, FilterMask, FilterScores

log = logging.getLogger(__name__)

Evaluate = Callable[[FilterGroup, list[Tensor]], list[float]]


def layer_sensitivity(parts: Parts, request: SensitivityRequest) -> LayerSensitivity:
    """Measure all groups, saved one by one in the run directory; those that are there already are not measured again.

    Raises:
        EasiEdgeError: the directory holds another request's result, or more images are asked for than there are.
    """
    evaluation = parts.data.evaluation_batches(request.split, request.images, parts.seed, "sensitivity")
    chosen, names = parts.selection, parts.names
    gates = GroupAccuracy(parts.network, parts.groups, evaluation)
    dense = gates.dense()
    identity = digest(
        parts.network, parts.groups, list(parts.calibration), evaluation, chosen.criterion, dict(chosen.options), list(request.shares),
        request.compensation, chosen.ridge, chosen.positions,
    )  # fmt: skip
    found = LayerSensitivity(
        names.model, names.data, parts.seed, request.split, len(dense), float(dense.mean()), request.shares, chosen.criterion,
        request.compensation, identity,
    )  # fmt: skip
    found = continued(found, parts.directory)
    done = {g.name for g in found.groups}
    if len(done) == len(parts.groups):
        log.info("all %d groups were measured before", len(done))
        return found
    evaluate = gates.without if request.compensation == "none" else _refitted(parts, evaluation)
    scores, seconds = _scored(parts, request)
    found = replace(found, scoring_seconds=found.scoring_seconds or seconds)
    log.info(
        "accuracy on %d %s images with each of %d groups pruned alone", len(dense), request.split, len(parts.groups)
    )
    with Bar(len(parts.groups), "sensitivity", "groups") as bar:
        bar.reach(len(done))
        for group in parts.groups:
            if group.name in done:
                continue
            begun, counts = time.perf_counter(), request.counts(group)
            order = removal_order(scores, group)
            accuracy = evaluate(group, [order[:count] for count in counts])
            seconds = time.perf_counter() - begun
            found = found.with_group(GroupCurve(group.name, group.size, tuple(counts), tuple(accuracy), seconds))
            write_sensitivity(found, parts.directory)
            bar.step(group.name)
    return found


def _scored(parts: Parts, request: SensitivityRequest) -> tuple[FilterScores, float]:
    """The scores of all units, once, and the seconds that took."""
    chosen, begun = parts.selection, time.perf_counter()
    options = dict(chosen.options)
    if accepts(chosen.criterion, "readjust"):
        options["readjust"] = 0.0  # for networks as they are; the refit has its own
    scores = score(parts.network, parts.groups, parts.calibration, chosen.criterion, **options)
    seconds = time.perf_counter() - begun
    return (for_refit(scores, {}) if request.compensation == "least_squares" else scores), seconds


def _refitted(parts: Parts, evaluation: list[tuple[Tensor, Tensor]]) -> Evaluate:
    """Accuracies after the refit in closed form: the units go for real, since what stays has other weights."""
    removal = Removal(
        parts.network, parts.groups, parts.calibration, ridge=parts.selection.ridge, positions=parts.selection.positions
    )

    def evaluate(group: FilterGroup, removed: list[Tensor]) -> list[float]:
        accuracies = []
        for units in removed:
            keep = torch.ones(group.size, dtype=torch.bool)
            keep[units] = False
            mask = FilterMask({**FilterMask.full(parts.groups).keep, group.name: keep})
            accuracies.append(float(correct(removal.smaller(mask, refit=True), evaluation).mean()))
        return accuracies

    return evaluate
