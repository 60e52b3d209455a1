"""What the machine can do at best, measured: multiply-accumulates a second, and bytes a second from memory.

A product of two square float32 matrices is the densest arithmetic that a CPU's best library gets out of it; a copy larger than any cache
reads and writes as fast as memory goes.  No network's layer can be faster than both allow (the roofline: Williams et al., CACM 2009).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

SIZES, REPETITIONS, COPIED = (512, 1024, 1536), 6, 64 * 2**20


@dataclass(frozen=True)
class Peak:
    """The machine's measured best.

    Attributes:
        gmacs_per_s: 1e9 float32 multiply-accumulates a second.
        gb_per_s: 1e9 bytes a second, read and written.
    """

    gmacs_per_s: float
    gb_per_s: float

    def share(self, macs: float, ms: float) -> float:
        """Share of the arithmetic peak that ``macs`` in ``ms`` reach, in [0, 1] but for noise."""
        return macs / (ms * 1e6) / self.gmacs_per_s


def measured_peak(threads: int) -> Peak:
    """Measure it on ``threads`` threads: the best of several sizes and repetitions."""
    torch.set_num_threads(threads)
    with torch.inference_mode():
        best = 0.0
        for size in SIZES:
            a, b, out = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
            best = max(best, size**3 / _least_seconds(lambda a=a, b=b, out=out: torch.mm(a, b, out=out)))  # type: ignore[misc]
        source = torch.ones(COPIED // 4)
        target = torch.empty_like(source)
        copied = 2 * COPIED / _least_seconds(lambda: target.copy_(source))
    return Peak(best / 1e9, copied / 1e9)


def _least_seconds(run: object) -> float:
    assert callable(run)
    run()
    times = []
    for _ in range(REPETITIONS):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return min(times)
