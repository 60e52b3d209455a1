"""What ``easiedge sparsify`` is asked for: the configuration's section ``sparsity``, checked before any work is done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from omegaconf import DictConfig, ListConfig
from torch import nn

from easiedge.errors import EasiEdgeError, ModelError
from easiedge.plain_values import is_number, is_whole
from easiedge.scoring.taylor_information_gain import probe_vectors
from easiedge.weights.choice import check_ratio
from easiedge.weights.cutting import SURGEON, Cutting
from easiedge.weights.layers import weight_layers, weight_of
from easiedge.weights.optimal_brain_surgeon import check_damping, check_size
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

    def layers(self, network: nn.Module) -> dict[str, nn.Module]:
        """Those that lose weights; the levels within kernels are those of convolutions.

        Raises:
            ModelError: a name without a weight matrix, nothing left, or too many weights for one inverse.
        """
        found, level = weight_layers(network, self.include, self.exclude), self.cutting.level
        if level in ("kernel", "strided"):
            chosen = {name: m for name, m in found.items() if weight_of(m).ndim > 2}
            if not chosen:
                raise ModelError(
                    f"no convolution is among {', '.join(found)}: sparsity.level={level} is theirs; choose weight"
                )
            found = chosen
        if self.cutting.criterion == SURGEON:
            check_size(sum(weight_of(m).numel() for m in found.values()), self.cutting.options.get("block"))
        return found


def sparsity_request(cfg: DictConfig, seed: int = 0) -> SparsityRequest:
    """Check the section ``sparsity``; ``seed`` is that of random probes.

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
    options = {str(name): value for name, value in cfg.options.items() if value is not None}
    cutting = Cutting(cfg.criterion, cfg.level, cfg.scope, options)
    if "seed" in cutting.known_options():
        cutting = replace(cutting, options={**options, "seed": seed})
    if "probe" in cutting.known_options():
        check_damping(options.get("damping", 1.0))
        probe_vectors(options.get("probe", "sketch"), options.get("passes", 1))
    sensitivity = _ratios(cfg.sensitivity, "sensitivity")
    if cutting.level == "channel" and (sensitivity or cfg.schedule == "layer_by_layer"):
        raise EasiEdgeError(
            "sparsity.level=channel takes units, which are cut one layer at a time by easiedge sensitivity and easiedge prune "
            "method=reduce_and_reuse: leave sparsity.sensitivity=[] and choose sparsity.schedule=direct or iterative"
        )
    return SparsityRequest(
        cutting, cfg.schedule, ratios, cfg.steps, cfg.epochs, list(cfg.include), list(cfg.exclude), sensitivity,
        float(cfg.seconds), cfg.batch,
    )  # fmt: skip


def _ratios(value: object, key: str) -> tuple[float, ...]:
    if not isinstance(value, ListConfig):
        raise EasiEdgeError(f"sparsity.{key}={value} must be a list: write 'sparsity.{key}=[0.5,0.9]'")
    for ratio in value:
        check_ratio(ratio, f"sparsity.{key}: ratio")
    if len({f"{ratio:.3f}" for ratio in value}) < len(value):
        raise EasiEdgeError(f"sparsity.{key}={value} holds a ratio twice, to three digits: give each once")
    return tuple(sorted(map(float, value)))
