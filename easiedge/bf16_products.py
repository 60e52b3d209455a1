"""Matrix products of float32 tensors, multiplied in whatever is fastest down to bf16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from easiedge.bf16_gain import ENOUGH_GAIN, bf16_gain


@contextmanager
def bf16_products(device: torch.device, wanted: bool = True) -> Iterator[None]:
    """Within the context products of float32 matrices on ``device`` may round their factors to bf16, where that is ``wanted``; they add up in float32.

        a' b  becomes  r(a)' r(b)        r(x) = x (1 + e),  |e| <= 2^-8

    So ``a' a`` stays positive semidefinite: it is that of inputs which are off by 0.2 % each, at random.  On a processor oneDNN takes the product
    in MKL's place, and rounds where it is faster for it (AMX).  On an AMD EPYC with avx512_bf16 it does not, and takes half of the time all the
    same, since MKL does without AVX-512 there (210 and 100 GFLOPS on one thread).  A GPU may take TF32, which rounds less.  Nothing changes on
    processors that gain nothing by bf16, and in other precisions.  Source: torch.set_float32_matmul_precision.
    """
    if not wanted or (device.type == "cpu" and bf16_gain() < ENOUGH_GAIN):
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
