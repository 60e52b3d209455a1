r"""Simulated calcium activity of two behavioural states: a stand-in for recordings that are not published.  Nothing here was measured.

    state s_t           Markov chain over {rest, active}, mean stay ``stay`` frames, share of time in the active state ``active``
    spikes n_it         Poisson(r_i * exp(a_i * [s_t = active])), base rate r_i log-normal, tuning a_i ~ N(0, tuning^2)
    calcium c_it        = decay * c_i,t-1 + n_it                            (first-order autoregression, as in Vogelstein et al. 2010)
    fluorescence f_it   = c_it + noise * N(0, 1)

A frame is the vector of all neurons, ``[1, 1, neurons]``, or with ``frames`` an image in which each neuron is a Gaussian spot.
Values are 8 bits between the 0.5 and 99.5 per cent quantiles of the training part.  The parts are cut in time, one after the other, since
neighbouring frames say nearly the same.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from easiedge.data.image_data import ImageData
from easiedge.data.in_memory import Images
from easiedge.errors import DataError

STATES = ("rest", "active")
SHARES = (0.6, 0.2)  # of the time: training, validation; the rest is the test part
BASE_RATE, RATE_SPREAD = 0.08, 0.5  # spikes a frame, and standard deviation of its logarithm
SPOT = 1.2  # pixels, standard deviation of a neuron's image


class Calcium(ImageData):
    """Frames of simulated two-state calcium activity.

    Args:
        neurons: how many are seen.
        length: frames in all.
        stay: mean frames of a stay in the resting state.
        active: share of time in the active state.
        tuning: standard deviation of the logarithm by which a neuron's rate changes with the state.
        decay: of calcium from frame to frame.
        noise: standard deviation of the fluorescence, in jumps of one spike.
        frames: images of ``image_size`` squared instead of vectors.
        split_seed: of the simulation; the run's seed changes nothing in it.
    """

    def __init__(
        self, root: str | None = None, *, batch_size: int = 64, seed: int = 0, split_seed: int = 0, neurons: int = 40, length: int = 3000,
        stay: float = 25.0, active: float = 0.4, tuning: float = 1.0, decay: float = 0.8, noise: float = 0.3, frames: bool = False,
        image_size: int = 12,
    ) -> None:  # fmt: skip
        super().__init__([0.3], [0.25], batch_size=batch_size, seed=seed)
        if neurons < 1 or length < 10:
            raise DataError(f"data.neurons={neurons} and data.length={length} must be at least 1 and 10")
        if not 0.0 <= active <= 1.0 or stay < 1 or not 0.0 <= decay < 1.0 or noise < 0 or tuning < 0:
            raise DataError(
                f"data.active={active} must be in [0, 1], data.stay={stay} at least 1, data.decay={decay} in [0, 1), data.noise={noise} "
                f"and data.tuning={tuning} at least 0"
            )
        self.split_seed, self.neurons, self.length, self.stay, self.active = split_seed, neurons, length, stay, active
        self.tuning, self.decay, self.noise, self.frames, self.image_size = tuning, decay, noise, frames, image_size

    def prepare(self) -> None:
        """Simulate, scale, cut in time."""
        rng = np.random.default_rng(self.split_seed)
        states = _states(rng, self.length, self.stay, self.active)
        values = _fluorescence(rng, states, self.neurons, self.tuning, self.decay, self.noise)
        if self.frames:
            values = values @ _spots(rng, self.neurons, self.image_size)
        ends = [int(self.length * SHARES[0]), int(self.length * sum(SHARES))]
        low, high = np.quantile(values[: ends[0]], [0.005, 0.995])
        pixels = np.clip((values - low) / max(high - low, 1e-12), 0.0, 1.0) * 255
        side = self.image_size
        shape = (-1, 1, side, side) if self.frames else (-1, 1, 1, self.neurons)
        every = Images(
            torch.from_numpy(pixels.round().astype(np.uint8)).reshape(shape), torch.from_numpy(states.astype(np.int64))
        )
        parts = [every.take(index) for index in torch.arange(self.length).tensor_split(ends)]
        for name, part in zip(("training", "validation", "test"), parts, strict=True):
            missing = [STATES[s] for s in (0, 1) if not bool((part.labels == s).any())]
            if missing:
                raise DataError(
                    f"the simulation's {name} part has no frame of the class {missing[0]!r}: give a longer data.length, a shorter data.stay, "
                    f"or data.active={self.active} between 0 and 1"
                )
        self.train, self.val, self.test = parts
        self.class_names = list(STATES)


def _states(rng: np.random.Generator, length: int, stay: float, active: float) -> NDArray[np.int8]:
    """The Markov chain ``[length]``; leaving rates are set by the mean stay at rest and the stationary share of activity."""
    if active in (0.0, 1.0):
        return np.full(length, int(active), dtype=np.int8)
    up = 1.0 / stay
    down = min(1.0, up * (1 - active) / active)
    draws, found, state = rng.random(length), np.zeros(length, dtype=np.int8), 0
    for t in range(length):
        if draws[t] < (down if state else up):
            state = 1 - state
        found[t] = state
    return found


def _fluorescence(
    rng: np.random.Generator, states: NDArray[np.int8], neurons: int, tuning: float, decay: float, noise: float
) -> NDArray[np.float64]:
    """``[frames, neurons]``."""
    base = BASE_RATE * np.exp(RATE_SPREAD * rng.standard_normal(neurons))
    change = tuning * rng.standard_normal(neurons)
    spikes = rng.poisson(base * np.exp(change * states[:, None])).astype(np.float64)
    calcium = np.zeros_like(spikes)
    for t in range(len(spikes)):
        calcium[t] = spikes[t] + (decay * calcium[t - 1] if t else 0.0)
    return calcium + noise * rng.standard_normal(spikes.shape)  # type: ignore[no-any-return]


def _spots(rng: np.random.Generator, neurons: int, side: int) -> NDArray[np.float64]:
    """Images of the neurons ``[neurons, side * side]``, at random places."""
    centres = rng.uniform(0, side - 1, (neurons, 2))
    grid = np.arange(side)
    rows, columns = (np.exp(-((grid[None] - centres[:, axis, None]) ** 2) / (2 * SPOT**2)) for axis in (0, 1))
    return (rows[:, :, None] * columns[:, None, :]).reshape(neurons, side * side)  # type: ignore[no-any-return]
