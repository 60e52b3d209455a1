"""Accuracy as units go in the order of a score, without any training: which images are still classified right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from easiedge.model.cost import NetworkCost
from easiedge.model.filter_groups import analyse
from easiedge.model.graph import device_of, two_images
from easiedge.model.inference import merged
from easiedge.model.logits import class_logits
from easiedge.projection.budget import Floors
from easiedge.projection.project import project
from easiedge.scoring.batches import inputs_of
from easiedge.surgery.compensate import Compensation
from easiedge.surgery.shrink import cut
from easiedge.unit import Budget, FilterGroup, FilterMask, FilterScores


def mask_at(
    scores: FilterScores, groups: Sequence[FilterGroup], removed: float, scope: str, cost: NetworkCost, floors: Floors
) -> FilterMask:
    """The mask that removes the share ``removed`` of all units by ``scores``."""
    return project(
        scores, groups, budget=Budget(filters_removed=removed), scope=scope, cost=cost, min_units=floors.min_units,
        max_ratio=floors.max_ratio, round_to=floors.round_to,
    )  # fmt: skip


class Removal:
    """Cuts units out of one network again and again; analysed once, and not proved anew for each mask as `shrink` does.

    Args:
        model: the dense network; left as it was.
        groups: the groups that masks speak about.
        batches: calibration batches, for tracing and for the refit.
    """

    def __init__(self, model: nn.Module, groups: Sequence[FilterGroup], batches: Sequence[Any]) -> None:
        self.model, self.groups, self.batches = model, groups, batches
        self.example = two_images(model, inputs_of(batches[0])[:2])
        self.walk = analyse(model, self.example)[0]

    def smaller(self, mask: FilterMask, refit: bool = False) -> nn.Module:
        """The network without the units that ``mask`` removes; with ``refit`` its weights are refitted in closed form."""
        if refit:
            return self._compensation.shrink(mask)
        return cut(self.walk, self.groups, mask, self.example, self.model.training)

    @cached_property
    def _compensation(self) -> Compensation:
        return Compensation(self.model, self.groups, self.batches)


@torch.no_grad()
def correct(network: nn.Module, batches: Sequence[Any]) -> NDArray[np.bool_]:
    """Which images of ``batches`` (inputs, targets) the network classifies right, bool ``[images]``."""
    device, right, faster = device_of(network), [], merged(network)
    for batch in batches:
        x = inputs_of(batch).to(device)
        logits = class_logits(faster(x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x))
        assert logits is not None
        right.append((logits.argmax(1) == batch[1].to(device)).cpu())
    return torch.cat(right).numpy()
