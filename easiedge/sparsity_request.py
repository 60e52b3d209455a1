"""What ``easiedge sparsify`` is asked for: the configuration's section ``sparsity``, checked before any work is done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig, ListConfig

from easiedge.errors import EasiEdgeError
from easiedge.plain_values import is_number, is_whole
from easiedge.weights.choice import check_ratio
from easiedge.weights.cutting import Cutting
from easiedge.weights.schedules import SCHEDULES

MOST = 10**6  # epochs, steps, images


@dataclass(frozen=True)
class SparsityRequest:
    """A checked request.

    Attributes:
        cutting: criterion, level, scope and their options.
        schedule: a name of ``SCHEDULES``.
        ratios: ascending, in [0, 1).
        steps: cuts between two ratios of the iterative schedule.
        epochs: of training after each cut; None for the recipe's.
        include, exclude: patterns of the layers' names.
        sensitivity: ratios at which each layer is cut alone, without training; none for none.
        seconds: of timing for each ratio; 0 for none.
        batch: images at once while timing.
    """

    cutting: Cutting
    schedule: str
    ratios: tuple[float, ...]
    steps: int
    epochs: int | None
    include: Sequence[str]
    exclude: Sequence[str]
    sensitivity: tuple[float, ...]
    seconds: float
    batch: int


def sparsity_request(cfg: DictConfig) -> SparsityRequest:
    """Check the section ``sparsity``.

    Raises:
        EasiEdgeError: the value, and what would be right.
    """
    ratios = _ratios(cfg.ratios, "ratios")
    if not ratios:
        raise EasiEdgeError("sparsity.ratios=[] asks for nothing: write 'sparsity.ratios=[0.5,0.9]'")
    if cfg.schedule not in SCHEDULES:
        raise EasiEdgeError(f"sparsity.schedule={cfg.schedule} is unknown: choose one of {', '.join(SCHEDULES)}")
    for key, low in (("steps", 1), ("batch", 1), ("epochs", 0)):
        value = cfg[key]
        if (value is not None or key != "epochs") and not (is_whole(value) and low <= value <= MOST):
            raise EasiEdgeError(f"sparsity.{key}={value} must be a whole number from {low}")
    if not (is_number(cfg.seconds) and 0.0 <= cfg.seconds < math.inf):
        raise EasiEdgeError(
            f"sparsity.seconds={cfg.seconds} must be a number from 0: the seconds of timing for each ratio"
        )
    for key in ("include", "exclude"):
        if not isinstance(cfg[key], ListConfig) or not all(isinstance(p, str) for p in cfg[key]):
            raise EasiEdgeError(f"sparsity.{key}={cfg[key]} must be a list of names or patterns, such as [fc1,'conv*']")
    options = {str(name): value for name, value in cfg.options.items() if value is not None}
    cutting = Cutting(cfg.criterion, cfg.level, cfg.scope, options)
    sensitivity = _ratios(cfg.sensitivity, "sensitivity")
    return SparsityRequest(
        cutting, cfg.schedule, ratios, cfg.steps, cfg.epochs, list(cfg.include), list(cfg.exclude), sensitivity,
        float(cfg.seconds), cfg.batch,
    )  # fmt: skip


def _ratios(value: object, key: str) -> tuple[float, ...]:
    if not isinstance(value, ListConfig):
        raise EasiEdgeError(f"sparsity.{key}={value} must be a list: write 'sparsity.{key}=[0.5,0.9]'")
    for ratio in value:
        check_ratio(ratio, f"sparsity.{key}: ratio")
    if len(set(value)) < len(value):
        raise EasiEdgeError(f"sparsity.{key}={value} holds a ratio twice: give each once")
    return tuple(sorted(map(float, value)))
