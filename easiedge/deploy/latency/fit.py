"""From the measured networks to the table's model: surfaces, streaming of the weights, overhead and factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from easiedge.deploy.latency.family import family, family_coefficients
from easiedge.deploy.latency.form_choice import best_form
from easiedge.deploy.latency.profile import Profile
from easiedge.deploy.latency.streaming import Streaming, fit_streaming
from easiedge.deploy.latency.surface import FOLDS, Form, Samples, Surface
from easiedge.deploy.latency.widths import LayerWidths

Array = NDArray[np.float64]
PLAIN, TURNS = Form((4, 16), (1,) * 9), 5
_OWN = 0.2  # of a layer's time is its own at least, however long its weights take


@dataclass(frozen=True, eq=False)
class Fitted:
    """What `fit` found.

    Attributes:
        surfaces: the model of each kind of layer.
        streaming: of the weights of the whole network.
        overhead, factor: from layers to the network.
        errors: relative error of each network when it is left out of the fit ``[networks]``.
    """

    surfaces: Mapping[str, Surface]
    streaming: Streaming
    overhead: float
    factor: float
    errors: Array


@dataclass(frozen=True, eq=False)
class _Layers:
    """Channels in and out, megabytes of weights and milliseconds of the layers of some networks ``[networks, layers]``."""

    kinds: tuple[str, ...]
    number: NDArray[np.int64]
    inputs: Array
    outputs: Array
    megabytes: Array
    ms: Array

    def of(self, networks: NDArray[np.bool_]) -> _Layers:
        parts = (part[networks] for part in (self.inputs, self.outputs, self.megabytes, self.ms))
        return _Layers(self.kinds, self.number[networks], *parts)

    def samples(self, ms: Array) -> dict[str, dict[str, Samples]]:
        """By family and kind."""
        found: dict[str, dict[str, Samples]] = {}
        for kind in dict.fromkeys(self.kinds):
            columns = [i for i, other in enumerate(self.kinds) if other == kind]
            parts = (part[:, columns].reshape(-1) for part in (self.inputs, self.outputs, ms))
            found.setdefault(family(kind), {})[kind] = Samples(np.repeat(self.number, len(columns)), *parts)
        return found

    def surfaces_ms(self, surfaces: Mapping[str, Surface]) -> Array:
        return np.stack([surfaces[k].ms(self.inputs[:, i], self.outputs[:, i]) for i, k in enumerate(self.kinds)], 1)

    def sums(self, surfaces: Mapping[str, Surface], streaming: Streaming) -> Array:
        result: Array = self.surfaces_ms(surfaces).sum(1) + streaming.ms(self.megabytes.sum(1))
        return result


def fit(widths: LayerWidths, kept: NDArray[np.int64], profiles: Sequence[Profile]) -> Fitted:
    """The model of networks that keep ``kept`` ``[networks, groups]`` units.

    Surfaces and streaming are fitted in turns, each on what the other leaves, at first with plain surfaces, then with forms
    chosen for each family of layers on what remains of its time.
    """
    inputs, outputs = widths.at(kept.astype(np.float64))
    ms, totals = np.stack([p.layers_ms for p in profiles]), np.array([p.total_ms for p in profiles])
    number = np.arange(len(totals))
    layers = _Layers(widths.kinds, number, inputs, outputs, widths.megabytes(inputs, outputs), ms)
    plain = {family(kind): PLAIN for kind in widths.kinds}
    _, streaming = _in_turns(layers, plain, Streaming())
    own = layers.samples(_without(layers, streaming))
    forms = {name: best_form(kinds) for name, kinds in own.items()}
    surfaces, streaming = _in_turns(layers, forms, streaming)
    overhead, factor = _calibrate(layers.sums(surfaces, streaming), totals)
    errors = np.empty(len(totals))
    for fold in range(FOLDS):
        seen = number % FOLDS != fold
        found = _in_turns(layers.of(seen), forms, streaming)
        a, b = _calibrate(layers.of(seen).sums(*found), totals[seen])
        errors[~seen] = np.abs((a + b * layers.of(~seen).sums(*found)) / totals[~seen] - 1)
    return Fitted(surfaces, streaming, overhead, factor, errors)


def _in_turns(layers: _Layers, forms: Mapping[str, Form], streaming: Streaming) -> tuple[dict[str, Surface], Streaming]:
    for turn in range(TURNS):
        surfaces: dict[str, Surface] = {}
        for name, kinds in layers.samples(_without(layers, streaming)).items():
            found = family_coefficients(kinds, forms[name])
            surfaces |= {kind: Surface(kind, forms[name], found[kind], samples) for kind, samples in kinds.items()}
        if turn < TURNS - 1:
            streaming = fit_streaming(layers.megabytes, layers.ms, layers.surfaces_ms(surfaces))
    return surfaces, streaming


def _without(layers: _Layers, streaming: Streaming) -> Array:
    """Milliseconds of each layer, less those of its weights."""
    weights = layers.megabytes * streaming.slowness(layers.megabytes.sum(1))[:, None]
    return np.maximum(layers.ms - weights, _OWN * layers.ms)


def _calibrate(sums: Array, totals: Array) -> tuple[float, float]:
    """``overhead`` and ``factor``, both from zero, by least squares of the relative error."""
    overhead, factor = nnls(np.stack([1 / totals, sums / totals], 1), np.ones(len(totals)))[0]
    return float(overhead), float(factor)
