"""Accuracy as units go in the order of a score, without any training: which images are still classified right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from easiedge.model.cost import NetworkCost
from easiedge.model.graph import device_of, evaluating
from easiedge.model.logits import class_logits
from easiedge.projection.budget import Floors
from easiedge.projection.project import project
from easiedge.scoring.batches import inputs_of
from easiedge.surgery.compensate import Targets, compensated
from easiedge.surgery.shrink import shrink
from easiedge.unit import Budget, FilterGroup, FilterMask, FilterScores


def mask_at(
    scores: FilterScores, groups: Sequence[FilterGroup], removed: float, scope: str, cost: NetworkCost, floors: Floors
) -> FilterMask:
    """The mask that removes the share ``removed`` of all units by ``scores``."""
    return project(
        scores, groups, budget=Budget(filters_removed=removed), scope=scope, cost=cost, min_units=floors.min_units,
        max_ratio=floors.max_ratio, round_to=floors.round_to,
    )  # fmt: skip


def network_without(
    model: nn.Module, groups: Sequence[FilterGroup], mask: FilterMask, example: Tensor, targets: Targets | None = None
) -> nn.Module:
    """The smaller network, refitted in closed form towards ``targets`` where they are given; no gradient step."""
    if targets is not None:
        return compensated(model, groups, mask, targets)[1]
    return shrink(model, groups, mask, example)


@torch.no_grad()
def correct(network: nn.Module, batches: Sequence[Any]) -> NDArray[np.bool_]:
    """Which images of ``batches`` (inputs, targets) the network classifies right, bool ``[images]``."""
    device, right = device_of(network), []
    with evaluating(network):
        for batch in batches:
            logits = class_logits(network(inputs_of(batch).to(device)))
            assert logits is not None
            right.append((logits.argmax(1) == batch[1].to(device)).cpu())
    return torch.cat(right).numpy()
