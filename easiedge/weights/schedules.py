"""When weights are cut and when the network is trained again: directly, iteratively, or layer after layer.

    direct:          dense -> cut at the ratio -> train                         once for every ratio, always from the dense network
    iterative:       dense -> cut -> train -> cut further -> train -> ...       one path through all ratios (Han et al. 2015)
    layer_by_layer:  dense -> cut the first layer -> train -> cut the second    once for every ratio (Polyak & Wolf 2015)

Training respects the masks (`easiedge.weights.masked_weights`); what is handed on is a plain network with zeros in it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn

from easiedge.scoring.batches import inputs_of
from easiedge.unit import FilterGroup
from easiedge.weights.cutting import Cutting, write_values
from easiedge.weights.layers import in_forward_order, weight_layers
from easiedge.weights.masked_weights import make_permanent, mask_weights
from easiedge.weights.weight_mask import WeightMask


@dataclass(frozen=True, eq=False)
class WeightTask:
    """A network whose weights are to be pruned, and everything that schedules need for it.

    Attributes:
        network: trained; schedules work on copies.
        layers: names of those that lose weights.
        cutting: how weights are chosen.
        batches: training images without augmentation, for criteria that look at them.
        groups: of the network's units.
        train: trains a network in place: ``train(network, epochs=, stage=)``.
        epochs: of training after each cut; 0 for none.
        steps: cuts on the way from one ratio to the next, of the iterative schedule.
    """

    network: nn.Module
    layers: Sequence[str]
    cutting: Cutting
    batches: Sequence[Any]
    groups: Sequence[FilterGroup]
    train: Callable[..., Any]
    epochs: int
    steps: int = 1


@dataclass(frozen=True, eq=False)
class PrunedWeights:
    """What one ratio has come to.

    Attributes:
        ratio: that was asked for.
        mask: which weights stay.
        cut: the network right after its last cut, before it is trained again.
        network: after training; plain, with zeros in its weights.
    """

    ratio: float
    mask: WeightMask
    cut: nn.Module
    network: nn.Module


class WeightSchedule(Protocol):
    """Goes through ratios in ascending order."""

    def __call__(self, task: WeightTask, ratios: Sequence[float]) -> Iterator[PrunedWeights]:
        """One result for each ratio."""
        ...


def direct(task: WeightTask, ratios: Sequence[float]) -> Iterator[PrunedWeights]:
    """Cut the dense network once for every ratio."""
    for ratio in ratios:
        yield _further(task, copy.deepcopy(task.network), task.layers, ratio, None, f"direct {ratio:.2f}")


def iterative(task: WeightTask, ratios: Sequence[float]) -> Iterator[PrunedWeights]:
    """Cut further and further, training in between; each ratio goes on from the one before."""
    network, mask, reached = copy.deepcopy(task.network), None, 0.0
    for ratio in ratios:
        found = None
        for step in range(1, task.steps + 1):
            at = reached + (ratio - reached) * step / task.steps
            found = _further(task, network, task.layers, at, mask, f"iterative {at:.3f}")
            network, mask = copy.deepcopy(found.network), found.mask
        assert found is not None
        reached = ratio
        yield PrunedWeights(ratio, found.mask, found.cut, found.network)


def layer_by_layer(task: WeightTask, ratios: Sequence[float]) -> Iterator[PrunedWeights]:
    """Cut one layer after the other, in forward order, training in between; those before stay as they were cut."""
    order = in_forward_order(task.network, task.layers, inputs_of(task.batches[0])[:2])
    for ratio in ratios:
        network, mask, found = copy.deepcopy(task.network), None, None
        for layer in order:
            found = _further(task, network, [layer], ratio, mask, f"{layer} {ratio:.2f}")
            network, mask = copy.deepcopy(found.network), found.mask
        assert found is not None
        yield PrunedWeights(ratio, found.mask, found.cut, found.network)


SCHEDULES: dict[str, WeightSchedule] = {"direct": direct, "iterative": iterative, "layer_by_layer": layer_by_layer}


def _further(
    task: WeightTask, network: nn.Module, layers: Sequence[str], ratio: float, before: WeightMask | None, stage: str
) -> PrunedWeights:
    """Cut ``network`` to the ratio of ``layers`` and train it, in place."""
    chosen = weight_layers(network, layers)
    cut = task.cutting(network, chosen, task.batches, ratio, before=before, groups=task.groups)
    mask = cut.mask if before is None else cut.mask.within(before)
    write_values(network, cut.values)
    mask_weights(network, mask)
    after = make_permanent(copy.deepcopy(network))
    if task.epochs:
        task.train(network, epochs=task.epochs, stage=stage)
    return PrunedWeights(ratio, mask, after, make_permanent(network))
