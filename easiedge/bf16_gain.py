"""How much faster this processor convolves in bf16 than in float32: having the instruction is not enough.

Of two x86-64 processors that both name avx512_bf16, one (AMD EPYC) took half the time of float32, the other (Intel Xeon, whose
virtual machine hides AMX) twice as long, with torch 2.15.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from easiedge.one_thread import one_thread

ENOUGH_GAIN = 1.2
"""How many times faster a convolution must be in bf16 on a processor; bf16 has fewer digits, so it is not taken for nothing."""
ROUNDS = 7
"""Times that both are measured, in turns; the fastest of each counts."""


def has_bf16() -> str | None:
    """What multiplies bf16 natively here, the accelerator first; None if nothing does."""
    if torch.cuda.is_available():
        return "the GPU" if torch.cuda.is_bf16_supported(including_emulation=False) else None
    features = torch.cpu.get_capabilities()
    return next((name for name in ("amx_bf16", "avx512_bf16", "bf16") if features.get(name)), None)


@lru_cache(maxsize=1)
def bf16_gain() -> float:
    """Time in float32 over time in bf16 of a 3x3 convolution of 64 channels, measured once per process in some 20 ms.

    On one thread: several wait for one another on a busy machine, and the ratio is then anything (0.6 to 1.5 where one thread found 0.55 to 0.58).
    """
    images = torch.ones(16, 64, 8, 8).to(memory_format=torch.channels_last)
    weight = torch.ones(64, 64, 3, 3).to(memory_format=torch.channels_last)
    both = (_convolution(images, weight), _convolution(images.bfloat16(), weight.bfloat16()))
    with torch.inference_mode(), one_thread():
        for once in both:
            once()  # chooses its kernel
        times = [[_seconds(once) for once in both] for _ in range(ROUNDS)]
    full, half = (min(column) for column in zip(*times, strict=True))
    return full / half


def _convolution(images: Tensor, weight: Tensor) -> Callable[[], Tensor]:
    return lambda: nn.functional.conv2d(images, weight, padding=1)


def _seconds(once: Callable[[], Tensor]) -> float:
    start = time.perf_counter()
    once()
    return time.perf_counter() - start
