"""Seconds from the dense network to the tuned small one: easiedge beside Torch-Pruning's pipeline with sparse training, for as many epochs.

    python experiments/training_speed/end_to_end.py data.root=cifar10.zip weights=vgg16.safetensors [--epochs 20] [--share 0.1] [--rounds 2]

VGG-16, 80 % of the filters.  Torch-Pruning's side is a plain loop as in its own examples: half of the epochs with `GroupNormPruner`'s regulariser on
the whole network, removal in small steps, the other half on what is left, all in float32; and once more with as few sparse epochs as ADMM has W-steps.
easiedge's is the command ``easiedge prune`` without a tutor, as there; and once more with the tutor that it has by default.  All look at all validation
batches that they are given after every epoch.  Writes end_to_end.json after each way and goes on with what it finds there; prints the table.

An epoch is ``--share`` of one.  Training grows with it and the choice does not, so the table says too what whole epochs take: parts in training
divided by the share, the choice as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch_pruning as tp
from torch import nn
from torch.nn import functional as F

from easiedge.data.cifar10 import CIFAR10
from easiedge.model.vgg import vgg16
from easiedge.model.weights import load_weights

HERE = Path(__file__).parent
FILTERS = 0.8
ITERATIONS = 3  # of easiedge's ADMM, at most


def train(
    network: nn.Module, data: CIFAR10, epochs: int, share: float, pruner: tp.pruner.GroupNormPruner | None
) -> None:
    """A plain loop with validation after each epoch; with a pruner its regulariser acts."""
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0 if pruner else 5e-4, nesterov=True
    )
    batches, val = data.train_dataloader(), data.val_dataloader()
    for _ in range(epochs):
        network.train()
        if pruner is not None:
            pruner.update_regularizer()
        for x, y in islice(batches, round(share * len(batches))):
            optimizer.zero_grad()
            F.cross_entropy(network(x), y).backward()
            if pruner is not None:
                pruner.regularize(network)
            optimizer.step()
        network.eval()
        with torch.no_grad():
            for x, _y in islice(val, round(share * len(val))):
                network(x)


def torch_pruning(data: CIFAR10, weights: str, epochs: int, sparse: int, share: float) -> dict[str, float]:
    """Seconds of each part."""
    network = vgg16()
    load_weights(network, weights)
    example = torch.randn(2, *data.input_shape)
    heads = [m for m in network.modules() if isinstance(m, nn.Linear) and m.out_features == data.num_classes]
    whole = sum(m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d))
    pruner = tp.pruner.GroupNormPruner(
        network.eval(), example, tp.importance.GroupMagnitudeImportance(p=2, normalizer="max"), reg=5e-4, global_pruning=True,
        pruning_ratio=1.0, max_pruning_ratio=0.95, iterative_steps=400, ignored_layers=heads,
    )  # fmt: skip
    begun = time.perf_counter()
    train(network, data, sparse, share, pruner)
    sparsed = time.perf_counter()
    network.eval()
    while sum(m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)) > (1 - FILTERS) * whole:
        pruner.step()
    removed = time.perf_counter()
    train(network, data, epochs - sparse, share, None)
    return {"before": sparsed - begun, "choice": removed - sparsed, "fine-tuning": time.perf_counter() - removed}


def easiedge(root: str, weights: str, epochs: int, share: float, tutor: bool = False) -> dict[str, float]:
    """Seconds of each part, by the run's own record."""
    with tempfile.TemporaryDirectory() as folder:
        asked = [
            "experiment=vgg16_cifar10", f"data.root={root}", f"weights={weights}", f"recipe.finetune.epochs={epochs - ITERATIONS}",
            f"+trainer.options.limit_train_batches={share}", f"+trainer.options.limit_val_batches={share}", "logger=none", "masked_test=false",
            "trainer.progress=false", f"hydra.run.dir={folder}/run",
            *([] if tutor else ["recipe.finetune.distillation=0", "++recipe.admm.distillation=0"]),
        ]  # fmt: skip
        subprocess.run([sys.executable, "-m", "easiedge", "prune", *asked], check=True, stdout=subprocess.DEVNULL)
        metrics = json.loads(Path(folder, "run", "metrics.json").read_text())
        rows = Path(folder, "run", "curves.csv").read_text().splitlines()[1:]
    trained = sum(not row.startswith("dense training") for row in rows)
    if trained != epochs:
        raise SystemExit(f"easiedge trained {trained} epochs, not {epochs}")
    s = metrics["seconds"]
    return {"before": s["admm"], "choice": s["score"], "fine-tuning": s["finetune"], "whole run": s["total"]}


def main() -> None:
    """Measure in turns, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs=2, metavar="data.root=... weights=...")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--share", type=float, default=0.1, help="of an epoch's batches")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    place = dict(entry.split("=", 1) for entry in given.places)
    root, weights = place["data.root"], place["weights"]
    data = CIFAR10(root, download=False)
    data.setup()
    ways = {
        "easiedge": lambda: easiedge(root, weights, given.epochs, given.share),
        "easiedge, with a tutor": lambda: easiedge(root, weights, given.epochs, given.share, tutor=True),
        "Torch-Pruning, half of the epochs sparse": lambda: torch_pruning(data, weights, given.epochs, given.epochs // 2, given.share),
        "Torch-Pruning, three epochs sparse": lambda: torch_pruning(data, weights, given.epochs, ITERATIONS, given.share),
    }  # fmt: skip
    about = {
        "epochs": given.epochs, "share": given.share, "threads": torch.get_num_threads(), "processors": os.cpu_count(),
        "torch": str(torch.__version__), "python": platform.python_version(),
    }  # fmt: skip
    path, before = HERE / "end_to_end.json", dict[str, Any]()
    if path.exists():
        before = json.loads(path.read_text())
    rounds: list[dict[str, dict[str, float]]] = before["rounds"] if before.items() >= about.items() else []
    for number in range(given.rounds):
        rounds += [{}] if len(rounds) == number else []
        for name, way in ways.items():
            if name not in rounds[number]:
                rounds[number][name] = way()
                path.write_text(json.dumps(about | {"rounds": rounds}, indent=1) + "\n")
            print(
                f"round {number + 1} of {given.rounds}, {name}: {_total(rounds[number][name]):.0f} s", file=sys.stderr
            )
    print(table(rounds, given.share))


def _total(parts: dict[str, float], share: float = 1.0) -> float:
    """Seconds of a way, with whole epochs in place of a share."""
    return (parts["before"] + parts["fine-tuning"]) / share + parts["choice"]


def table(rounds: list[dict[str, dict[str, float]]], share: float) -> str:
    """Means over the rounds; ratios within a round."""
    lines = [
        "| way | before the choice [s] | choice and removal [s] | fine-tuning [s] | together [s] | easiedge is faster by | whole epochs [s] | faster by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in rounds[0]:
        parts = [statistics.mean(r[name][part] for r in rounds) for part in ("before", "choice", "fine-tuning")]
        cells = [f"{p:.0f}" for p in parts]
        for part in (1.0, share):
            ratios = [_total(r[name], part) / _total(r["easiedge"], part) for r in rounds]
            faster = (
                ""
                if name.startswith("easiedge")
                else f"{statistics.mean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            )
            cells += [f"{statistics.mean(_total(r[name], part) for r in rounds):.0f}", faster]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
