"""Mutual information between a unit's pooled activation and the class that the network predicts.

    score_i = sum over bins b and classes c of q_bc ln( q_bc / (q_b q_c) )   [nats]

the plug-in estimate from the joint histogram q over the images, with ``bins`` equal bins from the unit's own minimum to its
maximum.  It is biased upwards, by about ``(bins used - 1) (classes seen - 1) / (2 images)`` nats (Miller, 1955), so units that
fill many bins gain most from the bias: give several times ``bins * classes`` images, or fewer bins.
It measures what one unit says on its own about the prediction, in the spirit of information-theoretic filter selection
(Battiti, IEEE Trans. Neural Networks 5(4), 1994).  The activation is what the unit's readers read
(`easiedge.scoring.activations`), averaged over positions; several readers are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from easiedge.errors import DataError, EasiEdgeError
from easiedge.scoring.activations import binned, pooled, read_batches
from easiedge.scoring.batches import Batches
from easiedge.unit import FilterGroup, FilterScores

CELLS = 2**23  # joint histogram cells that are counted at once


def mutual_information(
    model: nn.Module, groups: Sequence[FilterGroup], batches: Batches, *, bins: int = 16
) -> FilterScores:
    """Score units by what their pooled activation says about the predicted class, in nats; no labels are needed.

    Memory: 4 bytes per image, reading and unit, and about 200 MB for the counts.

    Raises:
        DataError: the network predicts the same class for all images.
    """
    if bins < 2:
        raise EasiEdgeError(f"bins={bins} must be at least 2: with one bin every mutual information is zero")
    kept: dict[str, list[Tensor]] = {g.name: [] for g in groups}
    predicted: list[Tensor] = []
    for batch in read_batches(model, groups, batches, "mutual_information", pooled):
        predicted.append(batch.logits.argmax(1).cpu())
        for name, values in batch.readings.items():
            kept[name].append(values.float().cpu())
    seen, classes = torch.cat(predicted).unique(return_inverse=True)
    if len(seen) < 2:
        raise DataError(
            f"the network predicts class {int(seen)} for all {len(classes)} images, of which no unit can tell anything: "
            "give images of several classes, or choose activation_entropy or taylor_information_gain"
        )
    return FilterScores(
        {name: _information(binned(torch.cat(v), bins), bins, classes).mean(0) for name, v in kept.items()},
        "mutual_information",
    )


def _information(bin_of: Tensor, bins: int, classes: Tensor) -> Tensor:
    """Mutual information in nats ``[...]`` between ``bin_of`` ``[images, ...]`` and ``classes`` ``[images]``."""
    seen = int(classes.max()) + 1
    step = max(1, CELLS // (bins * seen))
    parts = [_counted(part, bins, classes, seen) for part in bin_of.flatten(1).split(step, 1)]
    return torch.cat(parts).reshape(bin_of.shape[1:])


def _counted(bin_of: Tensor, bins: int, classes: Tensor, seen: int) -> Tensor:
    units = bin_of.shape[1]
    cell = (torch.arange(units) * bins + bin_of) * seen + classes[:, None]
    joint = torch.bincount(cell.flatten(), minlength=units * bins * seen).reshape(units, bins, seen).double()
    # in whole numbers, so that a unit that never changes scores 0 exactly
    expected = joint.sum(2, keepdim=True) * joint.sum(1, keepdim=True)
    ratio = torch.where(joint > 0, joint * len(bin_of) / expected, 1.0)
    return (joint * ratio.log()).sum((1, 2)) / len(bin_of)
