"""The collapse guard: layers of which a selection leaves next to nothing are named, before anything is removed.

A group has collapsed when it loses more than ``share`` of its units.  Floors keep one unit of every group, so the network
still computes something; but all that it knows then passes through what that layer has left.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from easiedge.errors import BudgetError
from easiedge.unit import FilterGroup, FilterMask

ACTIONS = ("warn", "error", "ignore")
SHARE = 0.95
NAMED = 8  # groups that a message names
_ROUNDING = 1e-9  # 0.95 of 20 units is 19 units, whatever its binary form
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CollapseGuard:
    """What counts as collapsed, and what happens then.

    Attributes:
        share: largest share of its units that a group may lose without being named, in (0, 1).
        action: ``"warn"`` logs the groups, ``"error"`` raises, ``"ignore"`` does nothing.
    """

    share: float = SHARE
    action: str = "warn"

    def __post_init__(self) -> None:
        """Refuse an unknown action, and a share that is none."""
        if self.action not in ACTIONS:
            raise BudgetError(f"collapse={self.action!r} is unknown: choose one of {', '.join(ACTIONS)}")
        number = isinstance(self.share, int | float) and not isinstance(self.share, bool)
        if not number or not 0.0 < self.share < 1.0:
            raise BudgetError(
                f"collapse_share={self.share!r} is outside (0, 1): give the share of a layer's units beyond which it counts as "
                "collapsed, such as 0.95; collapse=ignore turns the guard off"
            )

    def collapsed(self, kept: int, size: int) -> bool:
        """Whether a group of ``size`` units that keeps ``kept`` has collapsed: it loses more than ``share``."""
        return size - kept > size * self.share + _ROUNDING

    def check(
        self, mask: FilterMask, groups: Sequence[FilterGroup], told: Collection[str] = frozenset()
    ) -> frozenset[str]:
        """Act on the groups that have collapsed under ``mask``.

        Args:
            mask: of ``groups``.
            groups: the units that competed, with their dense sizes.
            told: names that were warned of before; no second warning for these alone.

        Returns:
            The names warned of so far, to be handed to the next check.

        Raises:
            BudgetError: a group has collapsed and the action is ``"error"``.
        """
        kept = mask.kept()
        thin = [g for g in groups if self.collapsed(kept[g.name], g.size)]
        if not thin or self.action == "ignore":
            return frozenset(told)
        thin.sort(key=lambda g: kept[g.name] / g.size)
        named = ", ".join(f"{g.name} ({kept[g.name]} of {g.size} kept)" for g in thin[:NAMED])
        more = f" and {len(thin) - NAMED} more" if len(thin) > NAMED else ""
        message = f"over {100 * self.share:.6g} % of the units go in {named}{more}: {self._way_out(kept, groups, thin)}"
        if self.action == "error":
            raise BudgetError(
                f"{message}; collapse=error stops here: nothing has been removed, and what was saved, such as trained dense weights, stays"
            )
        if not {g.name for g in thin} <= set(told):
            _log.warning("%s", message)
        return frozenset(told) | {g.name for g in thin}

    def _way_out(self, kept: dict[str, int], groups: Sequence[FilterGroup], thin: Sequence[FilterGroup]) -> str:
        """What to write so that no group collapses and as many units go; counted in units, whatever was asked for."""
        stay, every = sum(kept[g.name] for g in groups), sum(g.size for g in groups)
        needed = {g.name: g.size - math.floor(g.size * self.share + _ROUNDING) for g in groups}
        if sum(needed.values()) > stay:
            return (
                f"no floor helps where {1 - stay / every:.1%} of all units go, so ask for less, or say projection.collapse=ignore "
                "if so thin a network is meant"
            )
        ways = [f"projection.max_ratio={self.share:.6g}"]
        units = max(needed[g.name] for g in thin)
        if units < min(g.size for g in groups) and units * len(groups) <= stay:
            ways.append(f"projection.min_units={units}")
        return f"{' or '.join(ways)} takes the units elsewhere"
