"""What a mask leaves of each layer, in forward order: the values behind the bars in the terminal and in ``layers.png``.

From Python, after `easiedge.project` or `easiedge.select`:

    shares = kept_shares(groups, mask)
    print_kept_shares(shares)                       # kept_share_terminal
    draw_kept_shares(shares, Path("layers.png"))    # kept_share_picture
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from easiedge.projection.collapse import SHARE, CollapseGuard
from easiedge.report.layers_table import LayerRow
from easiedge.unit import FilterGroup, FilterMask


@dataclass(frozen=True)
class GroupShare:
    """One group, named by its first layer.

    Attributes:
        kept: units that stay.
        size: units of the dense network.
        collapsed: it loses more than the guard's share.
        macs_before, macs_after: MACs per image of its layers in the dense and in the smaller network; None if not counted.
    """

    name: str
    kept: int
    size: int
    collapsed: bool = False
    macs_before: float | None = None
    macs_after: float | None = None

    @property
    def share(self) -> float:
        """Share of the units that stays, in (0, 1]."""
        return self.kept / self.size


@dataclass(frozen=True)
class KeptShares:
    """Every group of a network.

    Attributes:
        groups: in forward order.
        least: share kept below which a group counts as collapsed.
    """

    groups: tuple[GroupShare, ...]
    least: float

    @property
    def overall(self) -> float:
        """Share of all units that stays."""
        return sum(g.kept for g in self.groups) / max(sum(g.size for g in self.groups), 1)

    @property
    def counted(self) -> bool:
        """Whether MACs are known."""
        return bool(self.groups) and all(g.macs_before is not None for g in self.groups)


def kept_shares(
    groups: Sequence[FilterGroup], mask: FilterMask, rows: Sequence[LayerRow] = (), collapse_share: float = SHARE
) -> KeptShares:
    """What ``mask`` leaves of ``groups``.

    Args:
        groups: the units that competed.
        mask: of ``groups``.
        rows: of `layer_rows`, for MACs; a layer that several groups share counts in equal parts for each.
        collapse_share: a group that loses more is marked.
    """
    mask.check(groups)
    kept, guard = mask.kept(), CollapseGuard(collapse_share)
    macs: dict[str, tuple[float, float]] = {}
    for row in rows:
        owners = row.group.split()
        for owner in owners:
            before, after = macs.get(owner, (0.0, 0.0))
            macs[owner] = before + row.macs_before / len(owners), after + row.macs_after / len(owners)
    found = (
        GroupShare(g.name, kept[g.name], g.size, guard.collapsed(kept[g.name], g.size), *macs.get(g.name, (None, None)))
        for g in groups
    )
    return KeptShares(tuple(found), 1.0 - collapse_share)
