"""What the machine can do at best, measured: multiply-accumulates a second.

Products of square float32 matrices and 3x3 convolutions that fit into the cache are the densest arithmetic that a CPU's libraries get out
of it: the fastest of several is the peak (on some processors one library is twice as fast as another).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F

SIZES, CONVOLUTIONS = (
    (256, 512, 1024),
    ((64, 56), (128, 28), (128, 56), (256, 28)),
)  # of matrices; channels and image size
REPETITIONS = 12


@dataclass(frozen=True)
class Peak:
    """The machine's measured best.

    Attributes:
        gmacs_per_s: 1e9 float32 multiply-accumulates a second.
    """

    gmacs_per_s: float

    def share(self, macs: float, ms: float) -> float:
        """Share of the arithmetic peak that ``macs`` in ``ms`` reach, in [0, 1] but for noise."""
        return macs / (ms * 1e6) / self.gmacs_per_s


def measured_peak(threads: int) -> Peak:
    """Measure it on ``threads`` threads: the best of several sizes and repetitions."""
    torch.set_num_threads(threads)
    with torch.inference_mode():
        best = max(*(_product(size) for size in SIZES), *(_convolution(*each) for each in CONVOLUTIONS))
    return Peak(best / 1e9)


def _product(size: int) -> float:
    a, b, out = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
    return size**3 / _least_seconds(lambda: torch.mm(a, b, out=out))


def _convolution(channels: int, size: int) -> float:
    images = torch.randn(1, channels, size, size).contiguous(memory_format=torch.channels_last)
    filters = torch.randn(channels, channels, 3, 3).contiguous(memory_format=torch.channels_last)
    return 9 * channels**2 * size**2 / _least_seconds(lambda: F.conv2d(images, filters, padding=1))


def _least_seconds(run: object) -> float:
    assert callable(run)
    run()
    times = []
    for _ in range(REPETITIONS):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return min(times)
