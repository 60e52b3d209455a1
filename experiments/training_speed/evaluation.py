"""What reading images in parts that the cache holds gains (easiedge/training/in_parts.py): whole batches of 250 and parts of 16 to 128, in turns within each round.

    python experiments/training_speed/evaluation.py [--rounds 5] [--threads 1] [--draw]

Writes evaluation.json and prints the table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from easiedge.model.lenet import lenet
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.training.in_parts import InParts

PATH = Path(__file__).parent / "evaluation.json"
BATCH = 250  # of validation and test images
SIZES = (16, 32, 64, 128)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int]]] = {
    "LeNet": (lambda: lenet(in_channels=1, image_size=28), (1, 28)),
    "ResNet-56": (resnet56, (3, 32)),
    "VGG-16": (vgg16, (3, 32)),
    "ResNet-18": (torchvision.models.resnet18, (3, 64)),
    "ResNet-18, large": (torchvision.models.resnet18, (3, 224)),
    "MobileNet-V2": (torchvision.models.mobilenet_v2, (3, 96)),
}


def milliseconds(run: Callable[[Tensor], object], x: Tensor) -> float:
    """Of an image."""
    start = time.perf_counter()
    run(x)
    return 1e3 * (time.perf_counter() - start) / len(x)


def measure(make: Callable[[], nn.Module], channels: int, side: int, rounds: int) -> dict[str, Any]:
    """Milliseconds an image of every round, by way."""
    torch.manual_seed(0)
    network, x = make().eval(), torch.randn(BATCH, channels, side, side)
    parts = InParts(network)
    ways: dict[str, Callable[[Tensor], object]] = {"whole": network, "parts": parts}
    ways |= {str(size): (lambda x, size=size: [network(part) for part in x.split(size)]) for size in SIZES}  # type: ignore[misc]
    ms: dict[str, list[float]] = {way: [] for way in ways}
    with torch.inference_mode():
        parts(x)
        for _ in range(rounds):
            for way, run in ways.items():
                ms[way].append(milliseconds(run, x))
    return {"side": side, "images": parts.images, "ms": ms}


def table(found: dict[str, Any]) -> None:
    """Ratios to whole batches, within rounds."""
    head = [
        "network",
        "pixels",
        f"ms an image, {BATCH} at once",
        "in parts of",
        "times as fast",
        *(f"{size} at once" for size in SIZES),
    ]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name, one in found["networks"].items():
        ratios = {
            way: sorted(whole / own for whole, own in zip(one["ms"]["whole"], ms, strict=True))
            for way, ms in one["ms"].items()
        }
        spread = f"{statistics.median(ratios['parts']):.2f} ({ratios['parts'][0]:.2f} to {ratios['parts'][-1]:.2f})"
        others = [f"{statistics.median(ratios[str(size)]):.2f}" for size in SIZES]
        whole = f"{statistics.median(one['ms']['whole']):.3g}"
        print(f"| {' | '.join([name, str(one['side']), whole, str(min(one['images'], BATCH)), spread, *others])} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--draw", action="store_true", help="print the table of what was measured")
    options = parser.parse_args()
    if not options.draw:
        torch.set_num_threads(options.threads)
        rows = {name: measure(make, *shape, options.rounds) for name, (make, shape) in NETWORKS.items()}
        about = {"torch": torch.__version__, "threads": options.threads}
        PATH.write_text(json.dumps({"about": about, "networks": rows}, indent=1) + "\n")
    table(json.loads(PATH.read_text()))
