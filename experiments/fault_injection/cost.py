"""What keeping state costs beside training: seconds and bytes of a state, and the share of a training's time at the default pace.

python experiments/fault_injection/cost.py --out results/cost.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from easiedge.data.in_memory import Batches, Images
from easiedge.model.lenet import lenet
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.training.fit import fit
from easiedge.training.recipe import Recipe
from easiedge.training.resume.memory import RunMemory

CASES: dict[str, tuple[Any, tuple[int, int, int], int, int]] = {  # network, image, images of an epoch, steps measured
    "LeNet, digits": (lambda: lenet(in_channels=1, image_size=8), (1, 8, 8), 1258, 10),
    "LeNet, MNIST": (lambda: lenet(in_channels=1, image_size=28), (1, 28, 28), 55_000, 200),
    "ResNet-56, CIFAR-10": (resnet56, (3, 32, 32), 45_000, 40),
    "VGG-16, CIFAR-10": (vgg16, (3, 32, 32), 45_000, 40),
}
BATCH = 128


def measured(make: Any, image: tuple[int, int, int], epoch: int, steps: int) -> dict[str, float]:
    """One training of ``steps`` at the default pace, with one save more, which is timed."""
    torch.manual_seed(0)
    network: nn.Module = make()
    pixels = torch.randint(0, 256, (min(epoch, steps * BATCH), *image), dtype=torch.uint8)
    batches = Batches(Images(pixels, torch.randint(0, 10, (len(pixels),))), BATCH, [0.5], [0.25], shuffle=True)
    passes = -(-steps // len(batches))
    with tempfile.TemporaryDirectory() as folder:
        memory = RunMemory(Path(folder), "cost")
        begun = time.perf_counter()
        fit(
            network,
            batches,
            None,
            Recipe(epochs=passes, lr=1e-3),
            memory=memory.stage("training", network),
            progress=False,
        )
        seconds = time.perf_counter() - begun
        pace = memory.pace
        one = Path(folder) / "one"
        timed = RunMemory(one, "cost").stage("training", network)
        assert timed is not None
        momentum = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
        costs = []
        for number in range(5):
            since = time.perf_counter()
            timed.save(number, {"network": network.state_dict(), "optimizer": momentum})
            costs.append(time.perf_counter() - since)
        size = max(path.stat().st_size for path in one.rglob("*.sealed"))
    step = (seconds - pace.seconds) / (passes * len(batches))
    return {
        "step_s": step, "epoch_s": step * epoch / BATCH, "save_s": sorted(costs)[2], "save_bytes": size, "saves": pace.saves,
        "share_of_time": pace.seconds / seconds,
    }  # fmt: skip


def main() -> None:
    """Measure all cases and write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = {}
    for name, case in CASES.items():
        found[name] = measured(*case)
        print(name, {key: float(f"{value:.3g}") for key, value in found[name].items()}, flush=True)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
