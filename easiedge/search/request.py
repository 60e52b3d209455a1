"""What ``easiedge search`` is asked for: the configuration's section ``search``, checked before any work is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omegaconf import DictConfig
from torch import Tensor

from easiedge.errors import EasiEdgeError
from easiedge.model.tiny import FAMILIES
from easiedge.plain_values import is_number
from easiedge.search.jump import Jump
from easiedge.search.proposal import Strategy
from easiedge.search.strategies.greedy_random import GreedyRandom
from easiedge.search.strategies.information_gain import JointInformationGain, SingleInformationGain
from easiedge.search.strategies.natural_order import NaturalOrder
from easiedge.search.strategies.random_layer import RandomLayer
from easiedge.search.tq import TqRequest

STRATEGIES: dict[str, Callable[[float, bool, Sequence[Tensor]], Strategy]] = {
    "greedy_random": lambda rate, inherits, samples: GreedyRandom(),
    "random_layer": lambda rate, inherits, samples: RandomLayer(),
    "natural_order": lambda rate, inherits, samples: NaturalOrder(),
    "information_gain": lambda rate, inherits, samples: SingleInformationGain(samples),
    "joint_information_gain": lambda rate, inherits, samples: JointInformationGain(samples, rate, inherits),
}
STARTS = ("inherit", "scratch")
ATTEMPTS = 3  # as published, and in every conf/search
CHOICES = ("params", "macs", "accuracy")


@dataclass(frozen=True)
class SearchRequest:
    """A checked request; the fields are those of ``conf/search``."""

    strategy: str
    T: float
    original: float | None
    rate: float
    jumps: tuple[float, ...]
    attempts: int
    start: str
    epochs: int | None
    images: int | None
    families: tuple[str, ...]
    choose: str
    processes: int
    tq: TqRequest | None

    def make_strategy(self, calibration: Sequence[Tensor]) -> Strategy:
        """The strategy, with its jumps; information gain looks at the samples ``calibration``."""
        near = STRATEGIES[self.strategy](self.rate, self.start == "inherit", calibration)
        return Jump(self.jumps, self.attempts, near) if self.jumps else near


def search_request(cfg: DictConfig, weights: str | None) -> SearchRequest:
    """Check the section ``search``.

    Raises:
        EasiEdgeError: the value, and what would be right.
    """
    for key, known in (
        ("strategy", STRATEGIES),
        ("start", STARTS),
        ("choose", CHOICES),
    ):
        if cfg[key] not in known:
            raise EasiEdgeError(f"search.{key}={cfg[key]} is unknown: choose one of {', '.join(known)}")
    check_share("search.T", cfg.T)
    if cfg.original is not None:
        check_share("search.original", cfg.original)
    if not is_number(cfg.rate) or not 0.0 <= cfg.rate < 1.0:
        raise EasiEdgeError(f"search.rate={cfg.rate} must be a share in [0, 1): 0 for one unit at a time")
    if cfg.rate and cfg.strategy != "joint_information_gain":
        raise EasiEdgeError(
            f"search.rate={cfg.rate} is of search=joint_information_gain, which removes many units at once: {cfg.strategy} removes one (search.jumps "
            "is what makes it pass over some)"
        )
    for share in cfg.jumps:
        if not is_number(share) or not 0.0 < share < 1.0:
            raise EasiEdgeError(f"search.jumps holds {share}: give shares between 0 and 1, such as [0.5,0.25]")
    if cfg.jumps and cfg.rate:
        raise EasiEdgeError("search.jumps and search.rate both remove many units at once: give one of them")
    if cfg.attempts != ATTEMPTS and not cfg.jumps:
        raise EasiEdgeError(
            f"search.attempts={cfg.attempts} counts the candidates of a jump, and there is none: give search.jumps=[0.5,0.25], or search=jump_grs"
        )
    families = tuple(cfg.families)
    unknown = [name for name in families if name not in FAMILIES]
    if unknown or len(set(families)) < len(families):
        raise EasiEdgeError(f"search.families={list(families)} must be different ones of {', '.join(FAMILIES)}")
    if families and weights is not None:
        raise EasiEdgeError("weights= are of one network: leave search.families out, or weights=")
    tq = None
    if cfg.tq.enabled:
        check_share("search.tq.T_weights", cfg.tq.T_weights)
        check_share("search.tq.T_digits", cfg.tq.T_digits)
        for key in ("threshold", "step"):
            if not is_number(cfg.tq[key]) or not 0.0 < cfg.tq[key] < 100.0:
                raise EasiEdgeError(f"search.tq.{key}={cfg.tq[key]} must be a number between 0 and 100, such as 0.1")
        tq = TqRequest(cfg.tq.T_weights, cfg.tq.T_digits, cfg.tq.threshold, cfg.tq.step, cfg.tq.epochs)
    return SearchRequest(
        cfg.strategy, cfg.T, cfg.original, cfg.rate, tuple(cfg.jumps), cfg.attempts, cfg.start, cfg.epochs, cfg.images,
        families, cfg.choose, cfg.processes, tq,
    )  # fmt: skip


def check_share(name: str, value: float) -> None:
    """Raise unless ``value`` is in (0, 1].

    Raises:
        EasiEdgeError: it is not.
    """
    if not is_number(value) or not 0.0 < value <= 1.0:
        raise EasiEdgeError(
            f"{name}={value} is outside (0, 1]: give the share of the accuracy that must stay, such as 0.985"
        )
