"""What it costs that a network's weights do not stay in the cache from one image to the next.

A layer that finds its weights in a near cache takes a third of the time that it takes when they come from far, and where they
are depends on all the layers that ran since: on the megabytes of the whole network.  With ``W`` the network's weights,

    ms(W) = W * sum_k s_k * clip(W / K_k - 1, 0, 1),        s >= 0, K_k = 1/4, 1/2, 1, ... 128 MB,

so the milliseconds that a megabyte costs grow from nothing in steps, where a level of cache is full, and never fall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]
KNOTS = 2.0 ** np.arange(-2, 8)


@dataclass(frozen=True)
class Streaming:
    """The slowness ``s`` of weights.

    Attributes:
        ms_per_mb: ``s`` ``[knots]``, milliseconds per megabyte.
    """

    ms_per_mb: tuple[float, ...] = (0.0,) * len(KNOTS)

    def slowness(self, megabytes: Array) -> Array:
        """Milliseconds that each megabyte costs in networks of so many ``[...]``."""
        result: Array = levels(megabytes) @ np.array(self.ms_per_mb)
        return result

    def ms(self, megabytes: Array) -> Array:
        """Milliseconds of networks with so many megabytes of weights ``[...]``."""
        return megabytes * self.slowness(megabytes)

    def scaled(self, factor: float) -> Streaming:
        """The same on a device that is slower by ``factor``."""
        return Streaming(tuple(factor * s for s in self.ms_per_mb))


NO_STREAMING = Streaming()


def levels(megabytes: Array) -> Array:
    """``clip(W / K_k - 1, 0, 1)`` ``[..., knots]``."""
    return np.clip(np.asarray(megabytes)[..., None] / KNOTS - 1, 0, 1)


def fit_streaming(megabytes: Array, layers_ms: Array, surfaces_ms: Array) -> Streaming:
    """Least squares of the relative error of every layer, together with a scale of the surfaces.

    Args:
        megabytes: weights of each network's layers ``[networks, layers]``.
        layers_ms: what they took ``[networks, layers]``.
        surfaces_ms: what the surfaces say without streaming ``[networks, layers]``.
    """
    every = levels(megabytes.sum(1))[:, None, :] * megabytes[:, :, None]
    terms = np.concatenate([every, surfaces_ms[:, :, None]], -1) / layers_ms[:, :, None]
    found = nnls(terms.reshape(-1, len(KNOTS) + 1), np.ones(layers_ms.size))[0]
    return Streaming(tuple(float(s) for s in found[:-1]))
