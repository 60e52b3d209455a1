"""A structure: a network with trained weights, its units, and what is left of those that it once had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.model.filter_groups import analyse
from easiedge.model.graph import two_images
from easiedge.model.labels import LabelPropagation
from easiedge.search.lean_training import Quality
from easiedge.surgery.compensate import Compensation
from easiedge.surgery.equivalence import prove_equivalence
from easiedge.surgery.shrink import cut
from easiedge.unit import FilterGroup, FilterMask

Removed = Mapping[str, Sequence[int]]  # units by layer (name of its group)


@dataclass(frozen=True, eq=False)
class Structure:
    """A network of a search.

    Attributes:
        network: in eval mode.
        groups: its units, by layer; those that may go.
        kept: of each group the numbers that the units which are left had in the original network, int64 ``[size]``.
        quality: on the validation samples.
        walk: its labelled graph, which every removal starts from.
        inputs: a few samples, for proofs.
    """

    network: nn.Module
    groups: Sequence[FilterGroup]
    kept: Mapping[str, Tensor]
    quality: Quality
    walk: LabelPropagation
    inputs: Tensor
    _refits: list[tuple[Sequence[Tensor], Compensation]] = field(default_factory=list, repr=False)  # the last one

    @property
    def sizes(self) -> dict[str, int]:
        """Units of each layer."""
        return {g.name: g.size for g in self.groups}

    def removed_from(self, removed: Removed) -> FilterMask:
        """The mask without the units ``removed``."""
        mask = FilterMask.full(self.groups)
        for name, units in removed.items():
            mask.keep[name][list(units)] = False
        return mask

    def without(self, removed: Removed, refit: Sequence[Tensor] | None = None) -> nn.Module:
        """A smaller network, proved to compute what the masked one does; with ``refit``, what stays is first refitted on these inputs."""
        mask = self.removed_from(removed)
        if refit is not None:
            return self._refit(refit).compensated(mask)[1].eval()
        smaller = cut(self.walk, self.groups, mask, two_images(self.network, self.inputs))
        prove_equivalence(self.network, self.groups, mask, smaller, [self.inputs])
        return smaller

    def _refit(self, inputs: Sequence[Tensor]) -> Compensation:
        """What the network says on ``inputs`` is computed once for all candidates."""
        if not self._refits or self._refits[0][0] is not inputs:
            self._refits[:] = [(inputs, Compensation(self.network, self.groups, inputs))]
        return self._refits[0][1]

    def next(self, network: nn.Module, removed: Removed, quality: Quality) -> Structure:
        """The structure of ``network``, which is this one without ``removed``, trained."""
        stays = self.removed_from(removed).keep
        return structure_of(network, {n: k[stays[n]] for n, k in self.kept.items()}, quality, self.inputs)

    def mask(self, sizes: Mapping[str, int]) -> FilterMask:
        """Which units of the original network, which had ``sizes``, are left."""
        keep = {name: torch.zeros(size, dtype=torch.bool) for name, size in sizes.items()}
        for name, numbers in self.kept.items():
            keep[name][numbers] = True
        return FilterMask(keep)


def structure_of(network: nn.Module, kept: Mapping[str, Tensor], quality: Quality, inputs: Tensor) -> Structure:
    """The structure of ``network``, whose layers are named and sized as ``kept`` says.

    Raises:
        ModelError: its units are grouped in another way.
    """
    walk, groups = analyse(network, inputs)
    chosen = [g for g in groups if g.name in kept]
    if {g.name: g.size for g in chosen} != {name: len(numbers) for name, numbers in kept.items()}:
        raise ModelError("removing units has tied the layers of this network in another way: leave these groups out")
    return Structure(network.eval(), chosen, kept, quality, walk, inputs)


def original(network: nn.Module, groups: Sequence[FilterGroup], quality: Quality, inputs: Tensor) -> Structure:
    """The structure that a search starts from; only units of ``groups`` will go."""
    return structure_of(network, {g.name: torch.arange(g.size) for g in groups}, quality, inputs)
