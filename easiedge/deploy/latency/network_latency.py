"""Milliseconds of a network as a function of the units kept: what a projection needs to see of a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from easiedge.deploy.latency.streaming import NO_STREAMING, Streaming
from easiedge.deploy.latency.surface import terms_of
from easiedge.deploy.latency.widths import LayerWidths

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NetworkLatency:
    """``ms(n) = overhead + sum_l surface_l(in_l(n), out_l(n)) + streaming(megabytes of weights(n))``.

    It is not monotone in ``n``: a width off the engine's alignment can take longer than the next larger one.

    Attributes:
        widths: channels by units kept.
        coefficients: of each layer's surface ``[layers, 9, 4]``, in milliseconds of the whole network.
        alignment: of each layer's surface ``[layers, 2]``.
        steps: of each layer's surface, by case ``[layers, 9]``.
        overhead_ms: what every network takes beside its layers.
        streaming: what it costs that the weights do not stay in the cache.
    """

    widths: LayerWidths
    coefficients: Array
    alignment: NDArray[np.int64]
    steps: NDArray[np.int64]
    overhead_ms: float
    streaming: Streaming = NO_STREAMING

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
        inputs, outputs = self.widths.at(np.asarray(n, dtype=np.float64))
        layers = self._surfaces(inputs, outputs, np.arange(len(self.alignment))).sum(-1)
        result: Array = self.overhead_ms + layers + self._weights_ms(self.widths.megabytes(inputs, outputs).sum(-1))
        return result

    def layers_ms(self, n: Array) -> Array:
        """Each layer's part ``[..., layers]``, without streaming."""
        return self._surfaces(*self.widths.at(np.asarray(n, dtype=np.float64)), np.arange(len(self.alignment)))

    def streaming_ms(self, n: Array) -> Array:
        """What the weights' way takes ``[...]``."""
        return self._weights_ms(self.widths.megabytes(*self.widths.at(np.asarray(n, dtype=np.float64))).sum(-1))

    def marginal(self, n: Array, steps: Array | None = None) -> Array:
        """What each group saves by losing ``steps`` more units (default 1), ``[groups]``; below zero where it costs time."""
        steps = np.ones(len(n)) if steps is None else steps
        group, layer = self._touches
        inputs, outputs = self.widths.at(n)
        fewer_in = inputs[layer] - self.widths.reads[layer, group] * steps[group]
        fewer_out = outputs[layer] - self.widths.makes[layer, group] * steps[group]
        before = self._surfaces(inputs, outputs, np.arange(len(self.alignment)))
        after = self._surfaces(fewer_in, fewer_out, layer)
        saved = np.asarray(np.bincount(group, before[layer] - after, minlength=len(n)), dtype=np.float64)
        if not self._streams:
            return saved
        weights = self.widths.megabytes(inputs, outputs)
        less = np.bincount(group, weights[layer] - self._megabytes(fewer_in, fewer_out, layer), minlength=len(n))
        every = weights.sum()
        return saved + self._weights_ms(every) - self._weights_ms(every - less)

    def along(self, n: Array, group: int, widths: Array) -> Array:
        """Milliseconds ``[widths]`` when ``group`` keeps ``widths`` units and the others ``n``, less those of layers it does not touch."""
        groups, layers = self._touches
        touched = layers[groups == group]
        more = widths[:, None] - n[group]
        inputs, outputs = self.widths.at(n)
        new_in = inputs[touched] + more * self.widths.reads[touched, group]
        new_out = outputs[touched] + more * self.widths.makes[touched, group]
        ms: Array = self._surfaces(new_in, new_out, touched).sum(-1)
        if not self._streams:
            return ms
        weights = self.widths.megabytes(inputs, outputs)
        others = weights.sum() - weights[touched].sum()
        return ms + self._weights_ms(others + self._megabytes(new_in, new_out, touched).sum(-1))

    @cached_property
    def _touches(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of group and layer whose widths depend on each other."""
        layer, group = np.nonzero(self.widths.reads + self.widths.makes)
        return group, layer

    def _surfaces(self, inputs: Array, outputs: Array, layer: NDArray[np.int64]) -> Array:
        terms, case = terms_of(inputs, outputs, self.alignment[layer], self.steps[layer])
        result: Array = (self.coefficients[layer, case] * terms).sum(-1)
        return result

    @cached_property
    def _streams(self) -> bool:
        return any(self.streaming.ms_per_mb)

    def _megabytes(self, inputs: Array, outputs: Array, layer: NDArray[np.int64]) -> Array:
        result: Array = (self.widths.mb_per_pair[layer] * inputs + self.widths.mb_per_output[layer]) * outputs
        return result

    def _weights_ms(self, megabytes: Array) -> Array:
        return self.streaming.ms(np.asarray(megabytes, dtype=np.float64))
