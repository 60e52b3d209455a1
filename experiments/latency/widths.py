"""Widths that suit the engine against free ones: the same share of MACs gone with round_to = 1, 2, 4, 8, 16, 32, timed in turns.

python experiments/latency/widths.py resnet18 mobilenet_v2 --out results
python experiments/latency/widths.py vgg16 resnet56 --data cifar10_jpeg.zip --weights FOLDER --out results

For the CIFAR networks the accuracy is told too: Taylor information gain, global, refitted in closed form, without training, on
validation images.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import half_of_macs
import torch
from torch import Tensor, nn

import easiedge
from easiedge.data.cifar10 import CIFAR10
from easiedge.deploy.bench.cores import pinned
from easiedge.deploy.bench.engines import ENGINES
from easiedge.deploy.bench.interleaved import interleaved, times_faster
from easiedge.deploy.latency.engine import machine
from easiedge.errors import BudgetError
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.model.weights import load_weights

GRAINS = (1, 2, 4, 8, 16, 32)
CIFAR = {
    "vgg16": (vgg16, "vgg16_cifar10jpeg.safetensors", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "resnet56": (resnet56, "resnet56_cifar10.safetensors", half_of_macs.MEAN, half_of_macs.STD),
}
ENGINE_NAMES = ("onnxruntime", "openvino", "torch")


def torchvision_variants(name: str, share: float) -> tuple[dict[str, nn.Module], dict[str, float], Tensor]:
    """Dense and pruned networks by round_to."""
    model = half_of_macs.network(name)
    found = {"dense": model} | {str(grain): half_of_macs.pruned(model, share, grain) for grain in GRAINS}
    return found, {}, torch.randn(1, 3, 224, 224)


def cifar_variants(
    name: str, share: float, data: Path, weights: Path
) -> tuple[dict[str, nn.Module], dict[str, float], Tensor]:
    """The same for a CIFAR network, with the accuracy on 2,000 validation images."""
    make, file, mean, std = CIFAR[name]
    images = CIFAR10(root=str(data), mean=list(mean), std=list(std))
    images.setup()
    model = make()
    load_weights(model, weights / file)
    model.eval()
    batches = images.calibration_batches(1024, 128, 0)
    validation = images.evaluation_batches("val", 2000)
    groups = easiedge.find_groups(model, batches[0][0][:2])
    scores = easiedge.score(model, groups, batches, criterion="taylor_information_gain")
    found, accuracy = {"dense": model}, {"dense": accuracy_of(model, validation)}
    for grain in GRAINS:
        try:
            mask = easiedge.project(
                scores, groups, budget=easiedge.Budget(macs_removed=share), model=model, example_inputs=batches[0][0][:2], round_to=grain,
                collapse="ignore", max_ratio=0.95,
            )  # fmt: skip
        except BudgetError as error:
            print(f"{name}, round_to={grain}: {error}", flush=True)
            continue
        fitted = easiedge.compensate(model, groups, mask, batches)
        found[str(grain)] = easiedge.shrink(fitted, groups, mask, batches[0][0][:2])
        accuracy[str(grain)] = accuracy_of(found[str(grain)], validation)
    return found, accuracy, torch.randn(1, 3, 32, 32)


@torch.inference_mode()
def accuracy_of(model: nn.Module, batches: Any) -> float:
    """Top-1."""
    right = [(model.eval()(x).argmax(1) == y).float() for x, y in batches]
    return float(torch.cat(right).mean())


def timed(variants: Mapping[str, nn.Module], image: Tensor, seconds: float) -> dict[str, Any]:
    """Every variant in every engine, batch 1, one thread; ratios beside the dense one."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, pinned(1):
        artifacts = {}
        for name, network in variants.items():
            artifacts[name] = Path(folder) / name
            easiedge.save(network.eval(), artifacts[name])
        for engine in (ENGINES[name] for name in ENGINE_NAMES):
            loaded = {}
            for name, artifact in artifacts.items():
                place = Path(folder) / engine.name / name
                place.mkdir(parents=True)
                loaded[name] = engine.load(engine.file(artifact, torch.cat([image, image]), place), image, 1).run
            times = interleaved(loaded, seconds)
            found[engine.name] = {
                name: {"median_ms": t.median_ms, "disturbed": t.disturbed, "times_faster": asdict(times_faster(t, times["dense"]))} for name, t in times.items()
            }  # fmt: skip
            print(
                engine.name,
                {n: round(v["times_faster"]["estimate"], 2) for n, v in found[engine.name].items()},
                flush=True,
            )
    return found


def main() -> None:
    """Write ``OUT/widths-NAME.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--macs-removed", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name in options.names:
        if name in CIFAR:
            if options.data is None or options.weights is None:
                parser.error(f"{name} needs --data cifar10_jpeg.zip and --weights FOLDER")
            variants, accuracy, image = cifar_variants(name, options.macs_removed, options.data, options.weights)
        else:
            variants, accuracy, image = torchvision_variants(name, options.macs_removed)
        macs = {n: easiedge.count(v, torch.cat([image, image]))["macs"] for n, v in variants.items()}
        result = {
            "network": name, "macs_removed": options.macs_removed, "machine": machine(), "threads": 1, "macs": macs, "accuracy": accuracy,
            "engines": timed(variants, image, options.seconds),
        }  # fmt: skip
        (options.out / f"widths-{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
