"""Accuracy as units go in the order of a score, without any training: which images are still classified right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from easiedge.errors import EasiEdgeError
from easiedge.model.cost import NetworkCost
from easiedge.model.filter_groups import analyse
from easiedge.model.graph import device_of, two_images
from easiedge.model.inference import check_merged, merged
from easiedge.model.logits import class_logits
from easiedge.projection.floors import Floors
from easiedge.projection.project import project
from easiedge.scoring.batches import inputs_of
from easiedge.scoring.joint_information_gain import READJUST
from easiedge.scoring.score import accepts
from easiedge.surgery.compensate import Compensation
from easiedge.surgery.select import select
from easiedge.surgery.shrink import cut
from easiedge.unit import Budget, FilterGroup, FilterMask, FilterScores


def mask_at(
    scores: FilterScores, groups: Sequence[FilterGroup], removed: float, scope: str, cost: NetworkCost, floors: Floors
) -> FilterMask:
    """The mask that removes the share ``removed`` of all units by ``scores``."""
    return project(
        scores, groups, budget=Budget(filters_removed=removed), scope=scope, cost=cost, min_units=floors.min_units,
        max_ratio=floors.max_ratio, round_to=floors.round_to, collapse="ignore",  # a curve shows what a collapse costs
    )  # fmt: skip


def masks_by_turns(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Sequence[Any],
    shares: Sequence[float],
    chunk: float,
    floors: Floors,
    **choice: Any,
) -> dict[float, FilterMask]:
    """The masks on the way to the largest of ``shares``, scored anew after each ``chunk`` (`easiedge.select`), at each share.

    ``choice`` holds criterion, scope, compensation with its ridge and positions, and the criterion's options, as in `easiedge.select`.

    Raises:
        EasiEdgeError: a share is not a whole number of chunks.
    """
    top, (steps, stops) = max(shares), chunks_of(shares, chunk)
    if choice.get("compensation") == "least_squares" and accepts(choice["criterion"], "readjust"):
        choice = {"readjust": READJUST} | choice  # one way, of which every chunk is asked for
    found: dict[int, FilterMask] = {}
    select(
        model, groups, batches, budget=Budget(filters_removed=top), chunk=top / steps, min_units=floors.min_units, max_ratio=floors.max_ratio,
        round_to=floors.round_to, collapse="ignore", progress=lambda done, of, mask: found.update({done: mask}), **choice,
    )  # fmt: skip
    return {share: found[stop] for share, stop in stops.items()}


def chunks_of(shares: Sequence[float], chunk: float) -> tuple[int, dict[float, int]]:
    """How many chunks the largest share takes, and after how many of them each share is reached.

    Raises:
        EasiEdgeError: a share is not a whole number of chunks.
    """
    top = max(shares)
    steps = max(1, math.ceil(top / chunk - 1e-9))
    stops = {share: round(share * steps / top) for share in shares}
    if chunk < 1 and (
        off := [share for share, stop in stops.items() if abs(stop / steps * top - share) > 1e-6 or stop == 0]
    ):
        raise EasiEdgeError(
            f"fidelity.removed holds {off[0]}, which is no whole number of chunks of {top / steps:g}: choose another fidelity.chunk"
        )
    return steps, stops


class Removal:
    """Cuts units out of one network again and again; analysed once, and not proved anew for each mask as `shrink` does.

    Args:
        model: the dense network; left as it was.
        groups: the groups that masks speak about.
        batches: calibration batches, for tracing and for the refit.
        **refit: of the refit: ridge and positions, as in `compensate`.
    """

    def __init__(self, model: nn.Module, groups: Sequence[FilterGroup], batches: Sequence[Any], **refit: Any) -> None:
        self.model, self.groups, self.batches, self.refit = model, groups, batches, refit
        self.example = two_images(model, inputs_of(batches[0])[:2])
        self.walk = analyse(model, self.example)[0]

    def smaller(self, mask: FilterMask, refit: bool = False) -> nn.Module:
        """The network without the units that ``mask`` removes; with ``refit`` its weights are refitted in closed form."""
        if refit:
            return self._compensation.shrink(mask)
        return cut(self.walk, self.groups, mask, self.example, self.model.training)

    @cached_property
    def _compensation(self) -> Compensation:
        return Compensation(self.model, self.groups, self.batches, **self.refit)


@torch.no_grad()
def correct(network: nn.Module, batches: Sequence[Any]) -> NDArray[np.bool_]:
    """Which images of ``batches`` (inputs, targets) the network classifies right, bool ``[images]``."""
    device, right, faster = device_of(network), [], merged(network)
    for number, batch in enumerate(batches):
        x = inputs_of(batch).to(device, copy=True)
        if number == 0:
            check_merged(network, faster, x)
        logits = class_logits(faster(x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x))
        assert logits is not None
        right.append((logits.argmax(1) == batch[1].to(device)).cpu())
    return torch.cat(right).numpy()
