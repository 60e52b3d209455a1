"""Accuracy of a network while units of one group are gated off: what is in front of the group is computed once for all choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from easiedge.model.gates import columns, unit_of_channel
from easiedge.model.graph import device_of
from easiedge.model.inference import check_merged, merged
from easiedge.model.logits import class_logits
from easiedge.scoring.batches import inputs_of
from easiedge.scoring.information_gain import Suffix, closed
from easiedge.surgery.removal_curve import correct
from easiedge.unit import FilterGroup

IMAGES = 128  # at once: the activations in front of a group are kept for so many


class GroupAccuracy:
    """Evaluates one network on the same images again and again.

    Args:
        model: the dense network; left as it was.
        groups: its groups.
        batches: (inputs, targets).
    """

    def __init__(self, model: nn.Module, groups: Sequence[FilterGroup], batches: Sequence[Any]) -> None:
        self.model, self.batches = model, batches
        self.network, self.start = merged(model), columns(groups)
        self.owners = unit_of_channel(model, groups)
        self.layers = dict(self.network.named_modules(remove_duplicate=False))
        check_merged(model, self.network, inputs_of(batches[0]).to(device_of(model), copy=True))

    def dense(self) -> NDArray[np.bool_]:
        """Which images the whole network classifies right, bool ``[images]``."""
        return correct(self.model, self.batches)

    @torch.no_grad()
    def without(self, group: FilterGroup, removed: Sequence[Tensor]) -> list[float]:
        """Accuracy in [0, 1] without each of the sets ``removed`` of units of ``group``, one after the other."""
        suffix, device = Suffix(self.network, group.gates), device_of(self.model)
        right, seen = [0] * len(removed), 0
        for batch in self.batches:
            for images, targets in zip(inputs_of(batch).split(IMAGES), batch[1].split(IMAGES), strict=True):
                x, y = images.to(device, copy=True), targets.to(device)
                x = x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
                known = suffix.activations(x)
                for i, units in enumerate(removed):
                    with closed(self.layers, group.gates, self.owners, self.start[group.name].start + units):
                        logits = class_logits(suffix.logits(x, known))
                    assert logits is not None
                    right[i] += int((logits.argmax(1) == y).sum())
                seen += len(y)
        return [count / seen for count in right]
