"""What is it worth that batch norms take the statistics of the refitted network before it is trained?

    python experiments/norm_rebasing/measure.py --data cifar10_jpeg.zip --weights resnet56_cifar10.safetensors [--seeds 3]

ResNet-56, 70 % of the MACs, 256 calibration images, refitted; then a few steps of SGD from the network as it is and from the rebased one, on the same
batches.  Writes results.json after every seed and goes on from it; prints the table.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
from itertools import islice
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import easiedge
from easiedge.data.cifar10 import CIFAR10
from easiedge.model.resnet import resnet56
from easiedge.model.weights import load_weights
from easiedge.surgery.compensate import compensate
from easiedge.surgery.rebase_norms import rebase_norms
from easiedge.training.norm_statistics import renew_norm_statistics

HERE = Path(__file__).parent
CRITERIA = ("joint_information_gain", "taylor_information_gain")
TRAINING = ((34, 0.005), (34, 0.02), (85, 0.02))  # steps and highest learning rate
Batches = list[tuple[torch.Tensor, torch.Tensor]]


@torch.inference_mode()
def accuracy(network: nn.Module, val: Batches) -> float:
    """In percent."""
    network.eval()
    right = sum(int((network(x).argmax(1) == y).sum()) for x, y in val)
    return 100 * right / sum(len(y) for _, y in val)


def trained(start: nn.Module, batches: Batches, lr: float, calibration: Batches, val: Batches) -> float:
    """Accuracy after one pass, with norms measured anew."""
    network = copy.deepcopy(start)
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=len(batches) + 1, pct_start=0.25, cycle_momentum=False
    )
    for x, y in batches:
        network.train()
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
        rate.step()
    renew_norm_statistics(network, calibration)
    return accuracy(network, val)


def one_seed(data: CIFAR10, weights: str, seed: int, val: Batches) -> list[dict[str, float | str]]:
    """All rows of one seed: of the calibration images and the training batches."""
    torch.manual_seed(seed)
    network = resnet56()
    load_weights(network, weights)
    network.eval().to(memory_format=torch.channels_last)
    batches = (
        (x.contiguous(memory_format=torch.channels_last), y)
        for _ in range(2 + seed)
        for x, y in data.train_dataloader()
    )
    start = seed * (2 + TRAINING[-1][0])
    taken = list(islice(batches, start, start + 2 + TRAINING[-1][0]))
    calibration, training = taken[:2], taken[2:]
    renew_norm_statistics(network, calibration)  # the weights are of other images
    example = calibration[0][0][:2]
    groups = easiedge.find_groups(network, example)
    rows: list[dict[str, float | str]] = []
    for criterion in CRITERIA:
        mask = easiedge.select(
            network, groups, calibration, budget=easiedge.Budget(macs_removed=0.7), chunk=0.2, criterion=criterion,
            compensation="least_squares", example_inputs=example, collapse="ignore",
        )  # fmt: skip
        fitted = compensate(network, groups, mask, calibration, rebase=False)
        plain = easiedge.shrink(fitted, groups, mask, example)
        rebased = copy.deepcopy(plain)
        rebase_norms(rebased, calibration)
        row: dict[str, float | str] = {"criterion": criterion, "dense": accuracy(network, val), "refitted": accuracy(plain, val)}  # fmt: skip
        for name, start_from in (("plain", plain), ("rebased", rebased)):
            anew = copy.deepcopy(start_from)
            renew_norm_statistics(anew, calibration)
            row[f"{name}, in training"] = accuracy(anew, val)
            for steps, lr in TRAINING:
                row[f"{name}, {steps} steps, lr {lr:g}"] = trained(start_from, training[:steps], lr, calibration, val)
        rows.append(row)
    return rows


def table(seeds: list[list[dict[str, float | str]]]) -> str:
    """Means over the seeds, and the difference with its standard deviation."""
    lines = ["| criterion | what | plain | rebased | difference (sd) |", "|---|---|---|---|---|"]
    for number, criterion in enumerate(CRITERIA):
        rows = [seed[number] for seed in seeds]
        what = ["in training", *(f"{steps} steps, lr {lr:g}" for steps, lr in TRAINING)]
        for each in what:
            plain, rebased = ([float(row[f"{way}, {each}"]) for row in rows] for way in ("plain", "rebased"))
            gaps = [b - a for a, b in zip(plain, rebased, strict=True)]
            spread = f" ({statistics.stdev(gaps):.1f})" if len(gaps) > 1 else ""
            lines.append(
                f"| {criterion} | {each} | {statistics.mean(plain):.1f} | {statistics.mean(rebased):.1f} | {statistics.mean(gaps):+.1f}{spread} |"
            )
        evaluated = statistics.mean(float(row["refitted"]) for row in rows)
        lines.append(f"| {criterion} | evaluated, untrained | {evaluated:.1f} | the same | |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    data = CIFAR10(given.data, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225], download=False)
    data.setup()
    val = [(x.contiguous(memory_format=torch.channels_last), y) for x, y in islice(data.val_dataloader(), 8)]
    path = HERE / "results.json"
    seeds = json.loads(path.read_text()) if path.exists() else []
    for seed in range(len(seeds), given.seeds):
        seeds.append(one_seed(data, given.weights, seed, val))
        path.write_text(json.dumps(seeds, indent=1) + "\n")
        print(f"seed {seed} of {given.seeds} done", flush=True)
    print(table(seeds))


if __name__ == "__main__":
    main()
