"""What ``easiedge score`` is asked for: the configuration's section ``fidelity``, checked before any work is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from easiedge.errors import EasiEdgeError
from easiedge.memory_check import Choosing
from easiedge.model.cost import NetworkCost
from easiedge.plain_values import is_number
from easiedge.projection.budget import limits
from easiedge.projection.floors import Floors
from easiedge.projection.project import SCOPES
from easiedge.schedule.selection import Selection
from easiedge.scoring.score import CRITERIA, accepts, check_options, criterion_by_name, plain_options
from easiedge.surgery.removal_curve import chunks_of
from easiedge.surgery.select import COMPENSATIONS
from easiedge.unit import Budget, FilterGroup

ORACLE = "information_gain"
SPLITS = ("test", "val")


@dataclass(frozen=True)
class Request:
    """A checked request.

    Attributes:
        criteria: name and options of each criterion, by its label.
        every: all criteria were asked for: one that cannot score the network is left out, not an error.
        oracle: measure the exact information gain, of a ``share`` of each group's units.
        removed: shares of the units for the accuracy curves, in ``scopes`` and with each ``compensation``.
        chunk: share of the units that goes before units are scored anew.
        split, images: of the evaluation; None for all images.
    """

    criteria: Mapping[str, tuple[str, dict[str, Any]]]
    every: bool
    oracle: bool
    share: float
    removed: tuple[float, ...]
    scopes: tuple[str, ...]
    chunk: float
    compensation: tuple[str, ...]
    split: str
    images: int | None

    def ways(self, chosen: Selection) -> Sequence[Choosing]:
        """In which units will be chosen, for `check_memory`; the refit is that of ``chosen``."""
        fit = bool(self.removed) and "least_squares" in self.compensation
        return [Choosing(name, options, fit, chosen.positions) for name, options in self.criteria.values()]

    def check_reach(self, groups: Sequence[FilterGroup], cost: NetworkCost, floors: Floors) -> None:
        """Refuse shares that no mask can have, or that lie between two chunks.

        Raises:
            EasiEdgeError: the shares and how to mend them.
        """
        if not self.removed:
            return
        limits(Budget(filters_removed=max(self.removed)), groups, cost, floors)
        chunks_of(self.removed, self.chunk)


def request_of(cfg: DictConfig, seed: int) -> Request:
    """Check the section ``fidelity``; ``seed`` is the default of criteria that take one.

    Raises:
        EasiEdgeError: the value, and what would be right.
    """
    for key in ("criteria", "removed", "scopes", "compensation"):
        if not isinstance(cfg[key], ListConfig) and not (key == "criteria" and isinstance(cfg[key], str)):
            raise EasiEdgeError(f"fidelity.{key}={cfg[key]} must be a list: write 'fidelity.{key}=[{cfg[key]}]'")
    for key, known in (("scopes", tuple(SCOPES)), ("compensation", COMPENSATIONS)):
        if bad := [name for name in cfg[key] if name not in known]:
            raise EasiEdgeError(f"fidelity.{key} holds {bad[0]!r}: choose among {', '.join(known)}")
    if not isinstance(cfg.oracle, bool):
        raise EasiEdgeError(f"fidelity.oracle={cfg.oracle} must be true or false")
    if cfg.split not in SPLITS:
        raise EasiEdgeError(f"fidelity.split={cfg.split} is unknown: choose one of {', '.join(SPLITS)}")
    if cfg.images is not None and (not isinstance(cfg.images, int) or cfg.images < 1):
        raise EasiEdgeError(f"fidelity.images={cfg.images} must be a whole number from 1, or null for all")
    for share in cfg.removed:
        if not (is_number(share) and 0.0 < share < 1.0):
            raise EasiEdgeError(f"fidelity.removed holds {share}: give shares between 0 and 1, such as 0.3")
    for key, what in (("share", "of the units that the oracle measures"), ("chunk", "of units between two scorings")):
        if not (is_number(cfg[key]) and 0.0 < cfg[key] <= 1.0):
            raise EasiEdgeError(f"fidelity.{key}={cfg[key]} is outside (0, 1]: give the share {what}")
    return Request(
        criteria_of(cfg.criteria, seed), cfg.criteria == "all", cfg.oracle, float(cfg.share), tuple(map(float, cfg.removed)),
        tuple(cfg.scopes), float(cfg.chunk), tuple(cfg.compensation), cfg.split, cfg.images,
    )  # fmt: skip


def criteria_of(asked: Any, seed: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Name and options of each criterion asked for, by its label: ``all``, or texts such as ``"taylor_information_gain probe=exact"``.

    Raises:
        EasiEdgeError: unknown criterion or option, options that are not ``key=value``, or the oracle, which has its own key.
    """
    texts = (
        [c for c in CRITERIA if c != ORACLE] if asked == "all" else [asked] if isinstance(asked, str) else list(asked)
    )
    if not texts:
        raise EasiEdgeError(f"fidelity.criteria is empty: give all, or some of {', '.join(CRITERIA)}")
    result = {}
    for text in texts:
        name, *settings = str(text).split() or [""]
        criterion_by_name(name)
        if name == ORACLE:
            raise EasiEdgeError(
                "fidelity.criteria holds information_gain, which is the oracle: it is measured with fidelity.oracle=true"
            )
        if bad := [s for s in settings if "=" not in s or s.partition("=")[0] not in plain_options(name)]:
            raise EasiEdgeError(
                f"fidelity.criteria={text!r}: {bad[0]!r} is not an option of {name}, which takes "
                f"{', '.join(plain_options(name)) or 'none'}; write 'name key=value'"
            )
        options = {key: _value(value) for key, _, value in (s.partition("=") for s in settings)}
        check_options(name, options)
        if accepts(name, "seed"):
            options.setdefault("seed", seed)
        result[str(text)] = (name, options)
    return result


def _value(text: str) -> Any:
    """A number, true or false, null, or the text itself, as on Hydra's command line."""
    return OmegaConf.create(f"value: {text}").value
