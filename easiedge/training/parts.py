"""A batch that several processes share: each takes neighbouring images of it, so that together they train on what one would."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from easiedge.processes import own_part, world_size


class Part(NamedTuple):
    """What one process has of a batch.

    Attributes:
        inputs: its images; of a batch with fewer images than processes, whoever has none takes the first along and counts it nowhere.
        targets: of those.
        own: how many count.
        images: how many the whole batch has.
    """

    inputs: Tensor
    targets: Tensor
    own: int
    images: int


def own_part_of(batch: Any) -> Any:
    """The `Part` of a batch ``(inputs, targets)``; in one process the batch as it is."""
    if world_size() == 1:
        return batch
    inputs, targets = batch[0], batch[1]
    here = own_part(len(targets))
    own = here.stop - here.start
    if not own:
        here = slice(0, 1)
    return Part(inputs[here], targets[here], own, len(targets))


def share_of(batch: Any) -> tuple[int, int]:
    """How many images of a batch count in this process, and how many it has in all."""
    return (batch.own, batch.images) if isinstance(batch, Part) else (len(batch[1]), len(batch[1]))
