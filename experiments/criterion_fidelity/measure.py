"""How faithful approximations are to the exact information gain: ranks, seconds, and a scatter.

python experiments/criterion_fidelity/measure.py --model resnet56 --weights W.safetensors --data DIR_OR_ZIP --images 1024 --out DIR

The oracle is saved group by group and goes on from there when it is started again.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from scipy.stats import kendalltau, spearmanr

import easiedge
from easiedge.data.cifar10 import CIFAR10
from easiedge.model.resnet import resnet20, resnet56
from easiedge.model.vgg import vgg16
from easiedge.model.weights import load_weights
from easiedge.scoring.information_gain import gains_of

MODELS = {"resnet20": resnet20, "resnet56": resnet56, "vgg16": vgg16}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CRITERIA = {
    "exact": ("taylor_information_gain", {"probe": "exact"}),
    "sketch, 4 passes": ("taylor_information_gain", {"probe": "sketch", "passes": 4}),
    "sketch, 1 pass": ("taylor_information_gain", {"probe": "sketch", "passes": 1}),
    "sampled, 4 passes": ("taylor_information_gain", {"probe": "sampled", "passes": 4}),
    "sampled, 1 pass": ("taylor_information_gain", {"probe": "sampled", "passes": 1}),
    "squared Taylor on the labels' loss": ("squared_taylor", {}),
    "L1 per weight": ("l1_magnitude", {}),
    "L1 per filter": ("l1_magnitude", {"per_weight": False}),
    "L2 per weight": ("l2_magnitude", {}),
    "random": ("random", {}),
}


def flat(scores, groups):
    return torch.cat([scores.values[g.name] for g in groups]).numpy()


def oracle(model, groups, batches, share, folder):
    """Exact information gain of a random share of each group's units, and the seconds it took; goes on where it stopped."""
    seconds, values, chosen = 0.0, [], []
    generator, start = torch.Generator().manual_seed(0), 0
    for number, group in enumerate(groups, 1):
        units = (
            torch.randperm(group.size, generator=generator)[: max(1, round(share * group.size))].sort().values.tolist()
        )
        file = folder / f"oracle-{group.name}-{len(units)}.json"
        if not file.exists():
            begun = time.perf_counter()
            found = gains_of(model, [group], batches, {group.name: units})[group.name]
            file.write_text(json.dumps({"gain": found.tolist(), "seconds": time.perf_counter() - begun}))
        record = json.loads(file.read_text())
        values += record["gain"]
        seconds += record["seconds"]
        chosen += [start + u for u in units]
        start += group.size
        print(f"oracle {number}/{len(groups)}: {group.name}, {seconds:.0f} s so far", flush=True)
    return np.array(values), np.array(chosen), seconds


def interval(a, b, draws=1000):
    """95 % bootstrap interval of Spearman's rank correlation over the units."""
    generator = np.random.default_rng(0)
    index = generator.integers(0, len(a), (draws, len(a)))
    return [float(q) for q in np.quantile([spearmanr(a[i], b[i]).statistic for i in index], [0.025, 0.975])]


def training_pass(model, batches):
    """Seconds of one float32 training pass over the same images."""
    import copy

    model = copy.deepcopy(model).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    start = time.perf_counter()
    for x, y in batches:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=MODELS, default="resnet56")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--share", type=float, default=1.0, help="share of each group's units that the oracle measures")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    data = CIFAR10(options.data, **(IMAGENET if options.model == "resnet56" else {}))
    data.setup()
    model = MODELS[options.model]()
    load_weights(model, options.weights)
    model.eval()
    batches = data.calibration_batches(options.images)
    groups = easiedge.find_groups(model, batches[0][0][:2])
    rows, values = [], {}
    for name, (criterion, settings) in CRITERIA.items():
        start = time.perf_counter()
        values[name] = flat(easiedge.score(model, groups, batches, criterion, **settings), groups)
        rows.append({"criterion": name, "seconds": time.perf_counter() - start})
    training = training_pass(model, batches)
    truth, chosen, seconds = oracle(model, groups, batches, options.share, options.out)
    values = {name: value[chosen] for name, value in values.items()}
    for row in rows:
        row["spearman"] = float(spearmanr(values[row["criterion"]], truth).statistic)
        row["interval"] = interval(values[row["criterion"]], truth)
        row["kendall"] = float(kendalltau(values[row["criterion"]], truth).statistic)
    result = {
        "model": options.model, "images": options.images, "units": sum(g.size for g in groups), "oracle_units": len(truth), "oracle_seconds": seconds, "training_pass_seconds": training,
        "rows": rows, "torch": torch.__version__, "threads": torch.get_num_threads(), "python": platform.python_version(),
    }  # fmt: skip
    (options.out / "result.json").write_text(json.dumps(result, indent=1))
    draw(truth, values, rows, options)
    print(
        f"| score | Spearman (95 %) | Kendall | seconds |\n|---|---|---|---|\n| oracle, {len(truth)} units | 1 | 1 | {seconds:.0f} |"
    )
    for row in rows:
        low, high = row["interval"]
        print(
            f"| {row['criterion']} | {row['spearman']:.3f} ({low:.3f} to {high:.3f}) | {row['kendall']:.3f} | {row['seconds']:.1f} |"
        )
    print(f"one training pass over the same images: {training:.1f} s")


def draw(truth, values, rows, options):
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained", sharex=True)
    for ax, name in zip(axes, ("sketch, 4 passes", "squared Taylor on the labels' loss", "L1 per weight"), strict=True):
        ax.scatter(truth.clip(1e-9), values[name].clip(1e-9), s=5, alpha=0.4, color="#1f5fa8", linewidths=0)
        rho = next(r["spearman"] for r in rows if r["criterion"] == name)
        ax.set(xscale="log", yscale="log", title=f"{name}: Spearman {rho:.3f}", xlabel="exact information gain [nats]")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("score")
    figure.suptitle(f"{options.model}, {len(truth)} units, {options.images} images")
    figure.savefig(options.out / f"{options.model}.png", dpi=110)


if __name__ == "__main__":
    main()
