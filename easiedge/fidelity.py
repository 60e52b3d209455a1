"""``easiedge score``: every criterion asked for beside the exact information gain, and the accuracy as units go in its order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from easiedge.assembly import Parts
from easiedge.errors import EasiEdgeError
from easiedge.fidelity_request import Request
from easiedge.model.cost import NetworkCost, network_cost
from easiedge.report.bar import Bar
from easiedge.report.fidelity_record import CurvePoint, Fidelity, Scored
from easiedge.scoring.agreement import agreement, kendall, spearman
from easiedge.scoring.joint_information_gain import for_refit
from easiedge.scoring.measured_oracle import Measured, measure, sampled_units
from easiedge.scoring.score import score
from easiedge.surgery.removal_curve import Removal, correct, mask_at, masks_by_turns
from easiedge.unit import FilterMask, FilterScores

log = logging.getLogger(__name__)


class _Counted:
    """Batches that count how often they are gone through."""

    def __init__(self, batches: Sequence[Any]) -> None:
        self.batches, self.passes = batches, 0

    def __iter__(self) -> Iterator[Any]:
        self.passes += 1
        return iter(self.batches)


def fidelity(parts: Parts, request: Request, keep: Callable[[Fidelity], Any] = lambda found: None) -> Fidelity:
    """Score, measure the oracle, and walk the curves; ``keep`` gets what is known before the curves, which take longest.

    Raises:
        EasiEdgeError: whatever is wrong with the request.
    """
    cost = network_cost(parts.network, parts.groups, parts.calibration[0][0][:2])
    request.check_reach(parts.groups, cost, parts.selection.floors)
    evaluation = parts.data.evaluation_batches(request.split, request.images, parts.seed)
    scores, seconds, passes, refused = _scored(parts, request)
    measured = _oracle(parts, request) if request.oracle else None
    truth = {name: gains.numpy() for name, gains in measured.gains.items()} if measured else {}
    units = {name: index.numpy() for name, index in measured.units.items()} if measured else {}
    judged = [_judged(label, s, seconds[label], passes[label], truth, units) for label, s in scores.items()]
    dense = correct(parts.network, evaluation)
    head = {
        "schema": 1, "model": parts.names.model, "data": parts.names.data, "seed": parts.seed, "split": request.split,
        "images": sum(len(batch[0]) for batch in parts.calibration), "evaluation_images": len(dense),
        "units": sum(g.size for g in parts.groups), "chunk": request.chunk, "groups": len(parts.groups),
    }  # fmt: skip
    oracle = {"units": sum(len(v) for v in truth.values()), "seconds": measured.seconds} if measured else {}
    found = Fidelity(head, dense, judged, truth, units, oracle, refused, [])
    keep(found)
    return replace(found, curves=_curves(parts, request, scores, cost, evaluation))


def _scored(
    parts: Parts, request: Request
) -> tuple[dict[str, FilterScores], dict[str, float], dict[str, int], dict[str, str]]:
    scores, seconds, passes, refused = {}, {}, {}, {}
    with Bar(len(request.criteria), "criteria", "criteria") as bar:
        for label, (name, options) in request.criteria.items():
            batches, start = _Counted(parts.calibration), time.perf_counter()
            try:
                scores[label] = score(parts.network, parts.groups, batches, name, **options)
            except EasiEdgeError as error:
                if not request.every:
                    raise
                refused[label] = str(error)
                log.warning("%s is left out: %s", label, error)
                continue
            seconds[label], passes[label] = time.perf_counter() - start, batches.passes
            bar.step(label)
    if not scores:
        raise EasiEdgeError(f"no criterion could score this network: {next(iter(refused.values()))}")
    return scores, seconds, passes, refused


def _oracle(parts: Parts, request: Request) -> Measured:
    total = sum(len(u) for u in sampled_units(parts.groups, request.share, parts.seed).values())
    log.info("measuring the exact information gain of %d units", total)
    with Bar(total, "oracle", "units") as bar:
        return measure(
            parts.network, parts.groups, parts.calibration, parts.directory / "oracle.jsonl", share=request.share, seed=parts.seed,
            progress=lambda done, of, per_unit: bar.reach(done),
        )  # fmt: skip


def _judged(
    label: str,
    scores: FilterScores,
    seconds: float,
    passes: int,
    truth: Mapping[str, NDArray[np.float64]],
    units: Mapping[str, NDArray[np.int64]],
) -> Scored:
    values = {name: value.numpy() for name, value in scores.values.items()}
    if not truth:
        return Scored(label, values, seconds, passes, None, {})
    sampled = {name: values[name][units[name]] for name in truth}
    overall = agreement(np.concatenate(list(sampled.values())), np.concatenate(list(truth.values())))
    layers = {name: (spearman(sampled[name], truth[name]), kendall(sampled[name], truth[name])) for name in truth}
    return Scored(label, values, seconds, passes, overall, layers)


def _curves(
    parts: Parts, request: Request, scores: Mapping[str, FilterScores], cost: NetworkCost, evaluation: Sequence[Any]
) -> list[CurvePoint]:
    points: list[CurvePoint] = []
    if not request.removed:
        return points
    removal = Removal(parts.network, parts.groups, parts.calibration, **_refit(parts))
    walks = [(label, scope, fit) for label in scores for scope in request.scopes for fit in request.compensation]
    with Bar(len(walks) * len(request.removed), "accuracy curves", "points") as bar:
        for label, scope, fit in walks:
            for share, mask in _masks(parts, request, label, scores[label], scope, fit, cost):
                left = cost.total(mask.kept())
                kept = {quantity: left[quantity] / cost.dense[quantity] for quantity in ("params", "macs")}
                right = correct(removal.smaller(mask, refit=fit == "least_squares"), evaluation)
                points.append(CurvePoint(label, scope, fit, share, right, kept))
                bar.step(f"{label}, {scope}")
    return points


def _masks(
    parts: Parts, request: Request, label: str, scores: FilterScores, scope: str, fit: str, cost: NetworkCost
) -> Iterator[tuple[float, FilterMask]]:
    """The mask for each share: from the scores of the dense network, or scored anew after each chunk."""
    floors, (name, options) = parts.selection.floors, request.criteria[label]
    if request.chunk >= 1:
        if fit == "least_squares":
            scores = for_refit(scores, options)
        for share in request.removed:
            yield share, mask_at(scores, parts.groups, share, scope, cost, floors)
        return
    yield from masks_by_turns(
        parts.network, parts.groups, parts.calibration, request.removed, request.chunk, floors, criterion=name, scope=scope,
        compensation=fit, **_refit(parts), **options,
    ).items()  # fmt: skip


def _refit(parts: Parts) -> dict[str, Any]:
    return {"ridge": parts.selection.ridge, "positions": parts.selection.positions}
