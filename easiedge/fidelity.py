"""``easiedge score``: every criterion asked for beside the exact information gain, and the accuracy as units go in its order."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from easiedge.assembly import Parts
from easiedge.errors import EasiEdgeError
from easiedge.model.cost import NetworkCost, network_cost
from easiedge.projection.project import SCOPES
from easiedge.report.bar import Bar
from easiedge.report.fidelity_record import CurvePoint, Fidelity, Scored
from easiedge.scoring.agreement import agreement, kendall, spearman
from easiedge.scoring.measured_oracle import Measured, measure, sampled_units
from easiedge.scoring.score import CRITERIA, accepts, criterion_by_name, score
from easiedge.surgery.removal_curve import Removal, correct, mask_at, masks_by_turns
from easiedge.unit import FilterMask, FilterScores

log = logging.getLogger(__name__)
ORACLE = "information_gain"


class _Counted:
    """Batches that count how often they are gone through."""

    def __init__(self, batches: Sequence[Any]) -> None:
        self.batches, self.passes = batches, 0

    def __iter__(self) -> Iterator[Any]:
        self.passes += 1
        return iter(self.batches)


def criteria_of(asked: Any, seed: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Name and options of each criterion asked for, by its label: ``all``, or texts such as ``"taylor_information_gain probe=exact"``.

    Raises:
        EasiEdgeError: unknown criterion or option, or options that are not ``key=value``.
    """
    texts = (
        [c for c in CRITERIA if c != ORACLE] if asked == "all" else [asked] if isinstance(asked, str) else list(asked)
    )
    if not texts:
        raise EasiEdgeError(f"fidelity.criteria is empty: give all, or some of {', '.join(CRITERIA)}")
    result = {}
    for text in texts:
        name, *settings = str(text).split()
        criterion_by_name(name)
        if bad := [s for s in settings if "=" not in s or not accepts(name, s.partition("=")[0])]:
            raise EasiEdgeError(
                f"fidelity.criteria={text!r}: {bad[0]!r} is not an option of {name}; write 'name key=value'"
            )
        options = {key: _value(value) for key, _, value in (s.partition("=") for s in settings)}
        if accepts(name, "seed"):
            options.setdefault("seed", seed)
        result[str(text)] = (name, options)
    return result


def _value(text: str) -> Any:
    """A number, true or false, null, or the text itself, as on Hydra's command line."""
    return OmegaConf.create(f"value: {text}").value


def fidelity(parts: Parts, cfg: DictConfig) -> Fidelity:
    """Score, measure the oracle, and walk the curves.

    Raises:
        EasiEdgeError: whatever is wrong with the request.
    """
    criteria = criteria_of(cfg.criteria, parts.seed)
    sampled_units(parts.groups, cfg.share, parts.seed)
    _check(cfg)
    evaluation = parts.data.evaluation_batches(cfg.split, cfg.images, parts.seed)
    scores, seconds, passes, refused = _scored(parts, criteria, forgiving=cfg.criteria == "all")
    measured = _oracle(parts, cfg) if cfg.oracle else None
    truth = {name: gains.numpy() for name, gains in measured.gains.items()} if measured else {}
    units = {name: index.numpy() for name, index in measured.units.items()} if measured else {}
    judged = [_judged(label, s, seconds[label], passes[label], truth, units) for label, s in scores.items()]
    dense, curves = _curves(parts, cfg, criteria, scores, evaluation)
    head = {
        "schema": 1, "model": parts.names.model, "data": parts.names.data, "seed": parts.seed, "split": cfg.split,
        "images": sum(len(batch[0]) for batch in parts.calibration), "evaluation_images": len(dense),
        "units": sum(g.size for g in parts.groups), "chunk": cfg.chunk, "groups": len(parts.groups),
    }  # fmt: skip
    oracle = {"units": sum(len(v) for v in truth.values()), "seconds": measured.seconds} if measured else {}
    return Fidelity(head, dense, judged, truth, units, oracle, refused, curves)


def _check(cfg: DictConfig) -> None:
    if not 0.0 < cfg.chunk <= 1.0:
        raise EasiEdgeError(
            f"fidelity.chunk={cfg.chunk} is outside (0, 1]: give the share of units between two scorings"
        )
    for scope in cfg.scopes:
        if scope not in SCOPES:
            raise EasiEdgeError(f"fidelity.scopes holds {scope!r}: choose among {', '.join(SCOPES)}")
    for name in cfg.compensation:
        if name not in ("none", "least_squares"):
            raise EasiEdgeError(f"fidelity.compensation holds {name!r}: choose among none, least_squares")
    for share in cfg.removed:
        if not 0.0 < share < 1.0:
            raise EasiEdgeError(f"fidelity.removed holds {share}: give shares between 0 and 1, such as 0.3")


def _scored(
    parts: Parts, criteria: Mapping[str, tuple[str, dict[str, Any]]], forgiving: bool
) -> tuple[dict[str, FilterScores], dict[str, float], dict[str, int], dict[str, str]]:
    scores, seconds, passes, refused = {}, {}, {}, {}
    with Bar(len(criteria), "criteria", "criteria") as bar:
        for label, (name, options) in criteria.items():
            batches, start = _Counted(parts.calibration), time.perf_counter()
            try:
                scores[label] = score(parts.network, parts.groups, batches, name, **options)
            except EasiEdgeError as error:
                if not forgiving:
                    raise
                refused[label] = str(error)
                log.warning("%s is left out: %s", label, error)
                continue
            seconds[label], passes[label] = time.perf_counter() - start, batches.passes
            bar.step(label)
    if not scores:
        raise EasiEdgeError(f"no criterion could score this network: {next(iter(refused.values()))}")
    return scores, seconds, passes, refused


def _oracle(parts: Parts, cfg: DictConfig) -> Measured:
    total = sum(len(u) for u in sampled_units(parts.groups, cfg.share, parts.seed).values())
    log.info("measuring the exact information gain of %d units", total)
    with Bar(total, "oracle", "units") as bar:
        return measure(
            parts.network, parts.groups, parts.calibration, parts.directory / "oracle.jsonl", share=cfg.share, seed=parts.seed,
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
    parts: Parts,
    cfg: DictConfig,
    criteria: Mapping[str, tuple[str, dict[str, Any]]],
    scores: Mapping[str, FilterScores],
    evaluation: Sequence[Any],
) -> tuple[NDArray[np.bool_], list[CurvePoint]]:
    dense = correct(parts.network, evaluation)
    points: list[CurvePoint] = []
    if not len(cfg.removed):
        return dense, points
    cost = network_cost(parts.network, parts.groups, parts.calibration[0][0][:2])
    removal = Removal(parts.network, parts.groups, parts.calibration)
    walks = [(label, scope, fit) for label in scores for scope in cfg.scopes for fit in cfg.compensation]
    with Bar(len(walks) * len(cfg.removed), "accuracy curves", "points") as bar:
        for label, scope, fit in walks:
            for share, mask in _masks(parts, cfg, criteria[label], scores[label], scope, fit, cost):
                left = cost.total(mask.kept())
                kept = {quantity: left[quantity] / cost.dense[quantity] for quantity in ("params", "macs")}
                right = correct(removal.smaller(mask, refit=fit == "least_squares"), evaluation)
                points.append(CurvePoint(label, scope, fit, share, right, kept))
                bar.step(f"{label}, {scope}")
    return dense, points


def _masks(
    parts: Parts,
    cfg: DictConfig,
    criterion: tuple[str, dict[str, Any]],
    scores: FilterScores,
    scope: str,
    fit: str,
    cost: NetworkCost,
) -> Iterator[tuple[float, FilterMask]]:
    """The mask for each share: from the scores of the dense network, or scored anew after each chunk."""
    shares, floors = [float(share) for share in cfg.removed], parts.selection.floors
    if cfg.chunk >= 1:
        for share in shares:
            yield share, mask_at(scores, parts.groups, share, scope, cost, floors)
        return
    name, options = criterion
    yield from masks_by_turns(
        parts.network,
        parts.groups,
        parts.calibration,
        shares,
        cfg.chunk,
        floors,
        criterion=name,
        scope=scope,
        compensation=fit,
        **options,
    ).items()
