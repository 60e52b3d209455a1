"""Weights that were refitted for an earlier mask and hold for this one: nothing upstream of the layer has changed since.

A layer's solution depends on its input, and so on which channels every layer upstream keeps; the outputs of a layer are
solved for one by one, so one that loses outputs alone keeps the others' solutions.  Each value in the network gets a digest
of all that it depends on, so equal digests mean equal values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from torch import Tensor

from easiedge.model.labels import LabelPropagation
from easiedge.surgery.places import Place
from easiedge.surgery.shrink import kept_channels
from easiedge.unit import FilterGroup, FilterMask

Solution = tuple[Tensor, Tensor | None]  # weights [outputs, width] and biases [outputs]


class Known:
    """The last solution of every layer, and what it depends on.

    The first is the dense network itself, where every layer is right as it is.

    Memory: the weights of the network, in float64.
    """

    def __init__(self, walk: LabelPropagation, groups: Sequence[FilterGroup]) -> None:
        self.walk, self.groups = walk, groups
        self._solutions: dict[str, tuple[str, Tensor, Solution]] = {}
        self._dense = self.surroundings(FilterMask.full(groups))

    def surroundings(self, mask: FilterMask) -> dict[str, str]:
        """A digest of what each node's value depends on, by node name."""
        keep = kept_channels(self.walk, self.groups, mask)
        digests: dict[str, str] = {}
        for n in self.walk.traced.graph.nodes:
            digest = hashlib.blake2b(n.name.encode(), digest_size=16)
            for a in n.all_input_nodes:
                digest.update(digests[a.name].encode())
            for axis in ("out", "in"):
                channels = keep.get((str(n.target), axis)) if n.op in ("call_module", "get_attr") else None
                digest.update(b"all" if channels is None else channels.numpy().tobytes())
            digests[n.name] = digest.hexdigest()
        return digests

    def look_up(self, place: Place, surroundings: dict[str, str], out: Tensor) -> Solution | None:
        """Weights and biases of a layer that keeps the outputs ``out`` ``[channels]``, if they are known."""
        key = self._key(place, surroundings)
        if key == self._key(place, self._dense):
            return self._as_it_is(place, out)
        known = self._solutions.get(place.layer)
        if known is None or known[0] != key or bool((out & ~known[1]).any()):
            return None
        rows = out[known[1]]
        weight, bias = known[2]
        rows = rows.to(weight.device)
        return weight[rows], None if bias is None else bias[rows]

    def remember(self, place: Place, surroundings: dict[str, str], out: Tensor, solution: Solution) -> None:
        """Keep a solution in place of the layer's last one."""
        self._solutions[place.layer] = (self._key(place, surroundings), out, solution)

    def _as_it_is(self, place: Place, out: Tensor) -> Solution:
        module = self.walk.modules[place.layer]
        assert isinstance(module.weight, Tensor)
        rows = out.to(module.weight.device)
        bias = module.bias[rows] if isinstance(module.bias, Tensor) else None
        return module.weight[rows].flatten(1), bias

    def _key(self, place: Place, surroundings: dict[str, str]) -> str:
        """What the solution depends on: the layer's inputs, and what it is added to.

        The outputs that it keeps belong to it only where they decide on its inputs, in grouped convolutions.
        """
        names = [*place.sources, *([place.other] if place.other is not None else [])]
        grouped = getattr(self.walk.modules[place.layer], "groups", 1) > 1
        return " ".join(surroundings[name] for name in (*names, *(place.calls if grouped else ())))
