"""Milliseconds of a network as a function of the units kept: what a projection needs to see of a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from easiedge.deploy.latency.surface import terms_of
from easiedge.deploy.latency.widths import LayerWidths

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NetworkLatency:
    """``ms(n) = overhead + sum_l surface_l(in_l(n), out_l(n))``.

    It is not monotone in ``n``: a width off the engine's alignment can take longer than the next larger one.

    Attributes:
        widths: channels by units kept.
        coefficients: of each layer's surface ``[layers, 9, 4]``, in milliseconds of the whole network.
        alignment: of each layer's surface ``[layers, 2]``.
        steps: of each layer's surface, by case ``[layers, 9]``.
        overhead_ms: what every network takes beside its layers.
    """

    widths: LayerWidths
    coefficients: Array
    alignment: NDArray[np.int64]
    steps: NDArray[np.int64]
    overhead_ms: float

    @property
    def names(self) -> tuple[str, ...]:
        """Group names, in the order of every ``[groups]`` array here."""
        return self.widths.groups

    def ms(self, kept: Mapping[str, int] | Array) -> float:
        """Milliseconds per image when each group keeps ``kept`` units."""
        n = np.array([kept[name] for name in self.names]) if isinstance(kept, Mapping) else kept
        return float(self.total(n))

    def total(self, n: Array) -> Array:
        """The same for many networks at once, ``[...]`` from ``[..., groups]``."""
        result: Array = self.overhead_ms + self.layers_ms(n).sum(-1)
        return result

    def layers_ms(self, n: Array) -> Array:
        """Each layer's part ``[..., layers]``."""
        return self._surfaces(*self.widths.at(np.asarray(n, dtype=np.float64)), np.arange(len(self.alignment)))

    def marginal(self, n: Array, steps: Array | None = None) -> Array:
        """What each group saves by losing ``steps`` more units (default 1), ``[groups]``; below zero where it costs time."""
        steps = np.ones(len(n)) if steps is None else steps
        group, layer = self._touches
        inputs, outputs = self.widths.at(n)
        before = self._surfaces(inputs, outputs, np.arange(len(self.alignment)))
        after = self._surfaces(
            inputs[layer] - self.widths.reads[layer, group] * steps[group],
            outputs[layer] - self.widths.makes[layer, group] * steps[group],
            layer,
        )
        return np.asarray(np.bincount(group, before[layer] - after, minlength=len(n)), dtype=np.float64)

    def along(self, n: Array, group: int, widths: Array) -> Array:
        """Milliseconds ``[widths]`` of the layers that ``group`` touches when it keeps ``widths`` units and the others ``n``."""
        groups, layers = self._touches
        touched = layers[groups == group]
        more = widths[:, None] - n[group]
        inputs, outputs = self.widths.at(n)
        ms: Array = self._surfaces(
            inputs[touched] + more * self.widths.reads[touched, group],
            outputs[touched] + more * self.widths.makes[touched, group],
            touched,
        ).sum(-1)
        return ms

    @cached_property
    def _touches(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of group and layer whose widths depend on each other."""
        layer, group = np.nonzero(self.widths.reads + self.widths.makes)
        return group, layer

    def _surfaces(self, inputs: Array, outputs: Array, layer: NDArray[np.int64]) -> Array:
        terms, case = terms_of(inputs, outputs, self.alignment[layer], self.steps[layer])
        result: Array = (self.coefficients[layer, case] * terms).sum(-1)
        return result
