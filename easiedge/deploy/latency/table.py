"""A latency table: what the layers of one network cost on one device, at any width, without that device at hand.

    ms(n) = overhead + factor * (sum_l surface_l(in_l(n), out_l(n)) + streaming(megabytes of weights(n)))

``overhead`` and ``factor`` make up for what lies between the operators; they are fitted on the whole networks' times.  All
milliseconds are at one nominal speed of the machine (`Quality.dense_ms`): a shared or throttled one drifts by tens of per cent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from easiedge.deploy.latency.engine import Setting
from easiedge.deploy.latency.network_latency import NetworkLatency
from easiedge.deploy.latency.streaming import NO_STREAMING, Streaming
from easiedge.deploy.latency.surface import Surface
from easiedge.deploy.latency.widths import LayerWidths, layer_widths
from easiedge.errors import EasiEdgeError
from easiedge.unit import FilterGroup

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """How the table was measured and how well it predicts.

    Attributes:
        networks: networks measured, of random widths, the dense one among them.
        repetitions, warm_up: runs of each.
        spread: median over the networks of the interquartile range of a network's time, as a share of its median.
        dense_ms: the dense network at the nominal speed: its median over all the time that measuring took.  To compare
            a time that is measured later, when the machine is faster or slower, time the dense network by turns with it:
            ``measure_latency(shrunk, x, beside=dense).at(table.quality.dense_ms)``.
        error_median, error_worst: relative error of networks that were left out of the fit, in turns.
        slowest, fastest: the drift that was seen and taken out: the dense network beside the slowest and the fastest network's
            measurement, in times of ``dense_ms``.
        profiler_ms: what the engine's profiler adds to each operator, taken off again.
    """

    networks: int
    repetitions: int
    warm_up: int
    spread: float
    dense_ms: float
    error_median: float
    error_worst: float
    slowest: float = 1.0
    fastest: float = 1.0
    profiler_ms: float = 0.0


@dataclass(frozen=True, eq=False)
class LatencyTable:
    """What `measure_table` found; `save_table` and `load_table` carry it.

    Attributes:
        setting: engine, threads and machine it was measured with.
        input_shape: one image, with the batch dimension.
        layers: names ``[layers]``.
        kinds: the kind of each.
        dense: channels in and out of each layer of the dense network ``[layers, 2]``.
        surfaces: the model of each kind.
        overhead_ms, factor: from layers to the network.
        quality: how it was measured and how well it predicts.
        streaming: what it costs that the weights do not stay in the cache.
        dense_mb: megabytes of the dense network's weights.
    """

    setting: Setting
    input_shape: tuple[int, ...]
    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    dense: NDArray[np.int64]
    surfaces: Mapping[str, Surface]
    overhead_ms: float
    factor: float
    quality: Quality
    streaming: Streaming = NO_STREAMING
    dense_mb: float = 0.0

    def check(self, engine: str | None = None, threads: int | None = None) -> None:
        """Raise unless the table speaks of this engine and this number of threads; None asks for nothing.

        Raises:
            EasiEdgeError: it was measured with another.
        """
        for what, asked, made in (("engine", engine, self.setting.engine), ("threads", threads, self.setting.threads)):
            if asked is not None and asked != made:
                raise EasiEdgeError(
                    f"the latency table was measured with {what}={made}, and {what}={asked} is asked for: make another with "
                    f"'easiedge latency device=this_machine device.{what}={asked}' on the device, or leave device.{what} out"
                )

    def network(
        self, model: nn.Module, groups: Sequence[FilterGroup], example_inputs: Tensor | tuple[Tensor, ...]
    ) -> NetworkLatency:
        """The latency of ``model`` as a function of the units that each group keeps.

        Raises:
            EasiEdgeError: the table was made for other layers, or other images.
        """
        return self.of(layer_widths(model, groups, example_inputs))

    def of(self, widths: LayerWidths) -> NetworkLatency:
        """The same from `layer_widths`.

        Raises:
            EasiEdgeError: the table was made for other layers, or other images.
        """
        self._check_layers(widths)
        surfaces = [self.surfaces[kind] for kind in widths.kinds]  # in the network's order
        found = np.stack([s.coefficients for s in surfaces]) * self.factor
        alignment = np.array([s.form.alignment for s in surfaces])
        steps = np.array([s.form.steps for s in surfaces])
        return NetworkLatency(widths, found, alignment, steps, self.overhead_ms, self.streaming.scaled(self.factor))

    def _check_layers(self, widths: LayerWidths) -> None:
        read, made = widths.at(widths.sizes)
        described = [
            {name: (kind, int(i), int(o)) for name, kind, i, o in zip(names, kinds, ins, outs, strict=True)}
            for names, kinds, ins, outs in (
                (widths.layers, widths.kinds, read, made),
                (self.layers, self.kinds, self.dense[:, 0], self.dense[:, 1]),
            )
        ]
        here, there = described
        if here == there:
            return
        name = next(name for name in (*here, *there) if here.get(name) != there.get(name))
        words = [
            f"{found[name][0]} with {found[name][1]} channels in and {found[name][2]} out"
            if name in found
            else "absent"
            for found in described
        ]
        raise EasiEdgeError(
            f"the latency table was made for other layers: {name} is {words[0]} in this network and {words[1]} in the table; "
            "make a table for this network with 'easiedge latency' and the same model= and data= on the device"
        )
