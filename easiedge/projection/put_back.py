"""Units that went on the way and need not have gone: the last ones come back first, where every limit still holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from easiedge.projection.floors import Array
from easiedge.projection.limits import Limits

Step = tuple[int, NDArray[np.int64]]  # a group and the units that left it together


def put_back(limits: Limits, kept: Array, history: Sequence[Step]) -> Iterator[tuple[int, int]]:
    """Pairs (group, unit) that come back, and ``kept`` ``[groups]`` raised accordingly.

    First whole steps, so that widths stay allowed, the last of each group first; then each group to the next widths above, since with
    milliseconds a wider layer may fit where a narrower one does not.

    Args:
        limits: the budgets.
        kept: a choice that meets them ``[groups]``; changed in place.
        history: what was removed, in that order.
    """
    gone: dict[int, list[int]] = {}
    for group, units in history:
        gone.setdefault(group, []).extend(int(u) for u in units)
    closed: set[int] = set()
    for group, units in reversed(history):
        if group not in closed:
            width = kept[group] + len(units)
            if limits.allows(width, group) and _fits(limits, kept, group, width):
                yield from _raised(kept, gone, group, len(units))
            else:
                closed.add(group)
    order = [g for g in dict.fromkeys(group for group, _ in reversed(history)) if gone[g]]
    changed = True
    while changed:
        changed = False
        for group in order:
            for width in limits.wider(kept, group):
                count = int(width - kept[group])
                if 0 < count <= len(gone[group]) and _fits(limits, kept, group, width):
                    yield from _raised(kept, gone, group, count)
                    changed = True
                    break


def _fits(limits: Limits, kept: Array, group: int, width: float) -> bool:
    before, kept[group] = kept[group], width
    fits = limits.met(kept)
    kept[group] = before
    return fits


def _raised(kept: Array, gone: dict[int, list[int]], group: int, count: int) -> Iterator[tuple[int, int]]:
    kept[group] += count
    for _ in range(count):
        yield group, gone[group].pop()
