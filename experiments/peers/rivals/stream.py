"""Groups that Torch-Pruning cannot follow."""

from __future__ import annotations

from collections.abc import Sequence

from easiedge.unit import FilterGroup


def joined_by_padding(groups: Sequence[FilterGroup]) -> set[str]:
    """Layers of groups whose layers have different widths: ResNet's streams where the shortcut pads channels with zeros.

    Torch-Pruning takes padding for an operation that leaves channels where they are; it prunes the inside of the blocks there.
    """
    found = set[str]()
    for group in groups:
        widths = {int(group.produced(layer).max()) for layer in group.layers}
        if len(widths) > 1:
            found.update(group.layers)
    return found
