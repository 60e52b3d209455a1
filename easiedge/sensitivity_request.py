"""What ``easiedge sensitivity`` is asked for: the configuration's section ``sensitivity``, checked before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig, ListConfig

from easiedge.errors import EasiEdgeError
from easiedge.memory_check import Choosing
from easiedge.plain_values import is_number
from easiedge.schedule.selection import Selection
from easiedge.scoring.score import accepts
from easiedge.surgery.select import COMPENSATIONS
from easiedge.unit import FilterGroup

SPLITS = ("val", "test")


@dataclass(frozen=True)
class SensitivityRequest:
    """A checked request.

    Attributes:
        shares: of a group's units that go, ascending, in (0, 1).
        split, images: of the evaluation; None for all images.
        compensation: ``"none"`` or ``"least_squares"``.
    """

    shares: tuple[float, ...]
    split: str
    images: int | None
    compensation: str

    def ways(self, chosen: Selection) -> Sequence[Choosing]:
        """In which units will be chosen, for `check_memory`; the criterion and the refit are those of ``chosen``."""
        options = dict(chosen.options) | ({"readjust": 0.0} if accepts(chosen.criterion, "readjust") else {})
        return [Choosing(chosen.criterion, options, self.compensation == "least_squares", chosen.positions)]

    def counts(self, group: FilterGroup) -> list[int]:
        """Units of ``group`` that go at each share: the nearest whole number, and one unit always stays."""
        return [min(int(share * group.size + 0.5), group.size - 1) for share in self.shares]


def sensitivity_request(cfg: DictConfig) -> SensitivityRequest:
    """Check the section ``sensitivity``.

    Raises:
        EasiEdgeError: the value, and what would be right.
    """
    if not isinstance(cfg.shares, ListConfig) or not len(cfg.shares):
        raise EasiEdgeError(f"sensitivity.shares={cfg.shares} must be a list: write 'sensitivity.shares=[0.2,0.5,0.8]'")
    for share in cfg.shares:
        if not (is_number(share) and 0.0 < share < 1.0):
            raise EasiEdgeError(f"sensitivity.shares holds {share}: give shares between 0 and 1, such as 0.3")
    if len(set(cfg.shares)) < len(cfg.shares):
        raise EasiEdgeError(f"sensitivity.shares={cfg.shares} holds a share twice: give each once")
    for key, known in (("split", SPLITS), ("compensation", COMPENSATIONS)):
        if cfg[key] not in known:
            raise EasiEdgeError(f"sensitivity.{key}={cfg[key]} is unknown: choose one of {', '.join(known)}")
    if cfg.images is not None and (not isinstance(cfg.images, int) or isinstance(cfg.images, bool) or cfg.images < 1):
        raise EasiEdgeError(f"sensitivity.images={cfg.images} must be a whole number from 1, or null for all")
    return SensitivityRequest(tuple(sorted(map(float, cfg.shares))), cfg.split, cfg.images, cfg.compensation)
