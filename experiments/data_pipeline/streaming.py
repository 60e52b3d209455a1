"""Images that stay in their files beside the same images in memory: images a second through the batches, in turns, in one run.

    python experiments/data_pipeline/streaming.py [--size 224] [--batch 64] [--images 512] [--rounds 5] [--train resnet50]

Makes photograph-like JPEG files of 500x375 in a temporary folder and goes through the training batches of both.  With ``--train`` a
step of that torchvision network follows each batch, so that decoding ahead can hide behind it.  Writes streaming.json beside this file
and prints the rows of README.md's table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import nn

from easiedge.data.imagenet import ImageNet
from easiedge.data.streamed import thread_count

WIDTH, HEIGHT, CLASSES = 500, 375, 8  # what most ImageNet files have


def make_files(root: Path, images: int) -> int:
    """Smooth colours with fine noise, which compress like photographs; returns the mean size in bytes."""
    draw, sizes = np.random.default_rng(0), []
    for part, count in (("train", images // CLASSES), ("val", 1)):
        for c in range(CLASSES):
            folder = root / part / f"n{c:08}"
            folder.mkdir(parents=True)
            for i in range(count):
                coarse = Image.fromarray(draw.integers(0, 256, (12, 16, 3), dtype=np.uint8))
                pixels = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(float)
                pixels += draw.normal(0, 12, pixels.shape)
                path = folder / f"{i:04}.JPEG"
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=85)
                sizes.append(path.stat().st_size)
    return round(statistics.mean(sizes))


def images_a_second(data: ImageNet, train: nn.Module | None) -> tuple[float, float]:
    """Of one epoch, from its first batch on; and the share of the time spent waiting for batches."""
    waited, seen, begun = 0.0, 0, time.perf_counter()
    batches = iter(data.train_dataloader())
    while True:
        asked = time.perf_counter()
        batch = next(batches, None)
        waited += time.perf_counter() - asked
        if batch is None:
            break
        seen += len(batch[1])
        if train is not None:
            train.zero_grad()
            F.cross_entropy(train(batch[0]), batch[1]).backward()
    total = time.perf_counter() - begun
    return seen / total, waited / total


def main() -> None:
    """Measure both by turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--train", help="a torchvision network whose steps follow the batches")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("streaming.json"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = make_files(Path(folder), asked.images)
        parts = {}
        for name, stream in (("in memory", False), ("streamed", True)):
            parts[name] = ImageNet(folder, image_size=asked.size, batch_size=asked.batch, stream=stream)
            parts[name].setup()
        torch.manual_seed(0)
        train = None if asked.train is None else torchvision.models.get_model(asked.train, num_classes=CLASSES)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in parts}
        for number in range(asked.rounds + 1):
            for name, data in parts.items():
                result = images_a_second(data, train)
                if number:  # the first round warms files and allocator up
                    found[name].append(result)
    record: dict[str, Any] = {
        "torch": torch.__version__, "pillow": PIL.__version__, "threads": torch.get_num_threads(), "decoders": thread_count(),
        "mean_file_bytes": size, **{k: v for k, v in vars(asked).items() if k != "out"}, "results": found,
    }  # fmt: skip
    earlier = json.loads(asked.out.read_text()) if asked.out.exists() else []
    others = [r for r in earlier if r["train"] != asked.train]
    asked.out.write_text(json.dumps([*others, record], indent=1) + "\n")
    for name, pairs in found.items():
        speeds, waits = zip(*pairs, strict=True)
        print(
            f"| {asked.train or 'none'} | {name} | {statistics.median(speeds):.1f} ({min(speeds):.1f} to {max(speeds):.1f}) | "
            f"{100 * statistics.median(waits):.1f} % |"
        )


if __name__ == "__main__":
    main()
