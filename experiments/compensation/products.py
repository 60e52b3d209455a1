"""Seconds to add positions to the normal equations of a layer: in float32 as it comes, and in what is fastest down to bf16, in turns.

python experiments/compensation/products.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from easiedge.bf16_gain import bf16_gain
from easiedge.kept_memory import kept_memory
from easiedge.one_thread import one_thread
from easiedge.surgery.normal_equations import NormalEquations

LAYERS = {
    "VGG-16, last block": (4096, 4608, 512),
    "VGG-16, third block": (8192, 2304, 256),
    "ResNet-56, last block": (8192, 576, 64),
}
"""Positions, inputs and outputs."""


def seconds(rows: int, width: int, outputs: int, rounded: bool) -> tuple[float, NormalEquations]:
    """Of one batch, and what it gives."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(1, rows, width, generator=generator).relu()
    error = torch.randn(1, rows, outputs, generator=generator)
    equations = NormalEquations(torch.zeros(1, outputs, width, dtype=torch.float64), offset=False, rounded=rounded)
    begun = time.process_time()
    equations.add(a, error)
    return time.process_time() - begun, equations


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"bf16 convolves {bf16_gain():.1f} times as fast as float32 here\n")
    print(
        "| layer | positions, inputs | float32 [s] | down to bf16 [s] | times as fast | relative difference |\n|---|---|---|---|---|---|"
    )
    with one_thread(), kept_memory():  # as in `easiedge.select`
        for name, (rows, width, outputs) in LAYERS.items():
            ratios, times = [], []
            for _ in range(rounds):
                (full, exact), (fast, near) = (seconds(rows, width, outputs, rounded) for rounded in (False, True))
                ratios.append(full / fast)
                times.append((full, fast))
            full, fast = (statistics.median(column) for column in zip(*times, strict=True))
            away = float((near.gram - exact.gram).norm() / exact.gram.norm())
            ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"| {name} | {rows}, {width} | {full:.3f} | {fast:.3f} | {ratio} | {away:.0e} |")


if __name__ == "__main__":
    main()
