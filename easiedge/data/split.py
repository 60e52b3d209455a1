"""Stratified, seeded splits."""

from __future__ import annotations

import torch
from torch import Tensor

from easiedge.errors import DataError


def stratified(labels: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split into (rest, part): ``part`` holds ``share`` of each class, at least one image; indices are sorted.

    Raises:
        DataError: a class with fewer than two images cannot be split.
    """
    generator = torch.Generator().manual_seed(seed)
    part = []
    for c in torch.unique(labels).tolist():
        members = (labels == c).nonzero()[:, 0]
        if len(members) < 2:
            raise DataError(
                f"class {c} has a single image: give at least two of each class to split off validation images"
            )
        count = min(max(1, round(share * len(members))), len(members) - 1)
        part.append(members[torch.randperm(len(members), generator=generator)[:count]])
    chosen = torch.cat(part).sort().values
    rest = torch.ones(len(labels), dtype=torch.bool)
    rest[chosen] = False
    return rest.nonzero()[:, 0], chosen


def draw_stratified(labels: Tensor, count: int, seed: int, key: str = "calibration.images") -> Tensor:
    """``count`` random indices with class shares as even as the data allow, in random order.

    Args:
        labels: of the images to draw from.
        count: how many.
        seed: of the draw.
        key: what the count is called in messages.

    Raises:
        DataError: fewer images than asked for.
    """
    if count < 1:
        raise DataError(f"{key}={count} must be at least 1")
    if count > len(labels):
        raise DataError(f"{key}={count} is more than the {len(labels)} images there are: ask for fewer")
    generator = torch.Generator().manual_seed(seed)
    queues = [
        m[torch.randperm(len(m), generator=generator)]
        for m in ((labels == c).nonzero()[:, 0] for c in torch.unique(labels))
    ]
    rank = torch.cat([torch.arange(len(q)) for q in queues])
    chosen = torch.cat(queues)[rank.argsort(stable=True)[:count]]
    return chosen[torch.randperm(count, generator=generator)]
