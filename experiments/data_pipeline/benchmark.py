"""Whether the data hold the training back: drawing a batch beside the training step that uses it, in turns, in one run.

    python experiments/data_pipeline/benchmark.py [--steps 12] [--batch 128]

Writes results.json beside this file and prints the table in README.md.  Random images, since the pipeline's speed does not
depend on what they show.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from easiedge.data.cifar10 import MEAN, STD
from easiedge.data.in_memory import Batches, Images
from easiedge.model.resnet import resnet20
from easiedge.model.vgg import vgg16

MODELS = {"vgg16": vgg16, "resnet20": resnet20}
IMAGES = 45_000


def measure(model: str, bf16: bool, images: Images, batch: int, steps: int) -> dict[str, Any]:
    """Medians of the time to draw a batch and to train on it, and of their ratio within each pair; seconds."""
    torch.manual_seed(0)
    network: nn.Module = MODELS[model]().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 1e-3, momentum=0.9, nesterov=True)
    batches = iter(Batches(images, batch, MEAN, STD, shuffle=True, shift=4, flip=True))
    draws, trains = [], []
    for _ in range(steps + 2):
        start = time.perf_counter()
        x, y = next(batches)
        drawn = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = F.cross_entropy(network(x.contiguous(memory_format=torch.channels_last)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        draws.append(drawn - start)
        trains.append(time.perf_counter() - drawn)
    draws, trains = draws[2:], trains[2:]  # the first epoch's shuffle and the first steps' planning
    return {
        "model": model,
        "precision": "bf16-mixed" if bf16 else "32-true",
        "batch": batch,
        "steps": steps,
        "draw": statistics.median(draws),
        "draw_range": [min(draws), max(draws)],
        "train": statistics.median(trains),
        "train_range": [min(trains), max(trains)],
        "share": statistics.median(d / t for d, t in zip(draws, trains, strict=True)),
    }


def row(result: dict[str, Any]) -> str:
    """One line of the table."""
    low, high = (1000 * v for v in result["draw_range"])
    draw, train, batch = result["draw"], result["train"], result["batch"]
    return (
        f"| {result['model']} | {result['precision']} | {batch / train:,.0f} | {batch / draw:,.0f} | "
        f"{1000 * draw:.1f} ({low:.1f} to {high:.1f}) | {train / draw:.0f} | {100 * result['share']:.1f} % |"
    )


def main() -> None:
    """Measure every network in both precisions."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator)
    images = Images(pixels, torch.randint(0, 10, (IMAGES,), generator=generator))
    results = [measure(m, bf16, images, options.batch, options.steps) for m in MODELS for bf16 in (False, True)]
    about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "results": results}
    Path(__file__).with_name("results.json").write_text(json.dumps(about, indent=1) + "\n")
    print(
        "| network | precision | training, images/s | data, images/s | a batch, ms (least to most) | data / training speed | share of the step |"
    )
    print("|---|---|---|---|---|---|---|")
    print("\n".join(row(result) for result in results))


if __name__ == "__main__":
    main()
