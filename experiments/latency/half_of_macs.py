"""Run directories of torchvision networks with half of their MACs, for easiedge bench: weights are random, which takes as long as trained ones.

python experiments/latency/half_of_macs.py resnet18 mobilenet_v2 --out runs
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

import easiedge
from easiedge.deploy.image_input import ImageInput
from easiedge.model.torchvision_classifier import torchvision_classifier

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FORM = ImageInput((3, 224, 224), MEAN, STD, tuple(f"class {i}" for i in range(1000)))


def network(name: str) -> nn.Module:
    """A torchvision classifier with random weights."""
    torch.manual_seed(0)
    return torchvision_classifier(name).eval()


def pruned(model: nn.Module, macs_removed: float, round_to: int = 1) -> nn.Module:
    """The same share of the filters from every layer, those of the least L1 norm, until so many MACs are gone."""
    images = torch.zeros(2, 3, 224, 224)
    groups = easiedge.find_groups(model, images)
    scores = easiedge.score(model, groups, [images], criterion="l1_magnitude")
    mask = easiedge.project(
        scores, groups, budget=easiedge.Budget(macs_removed=macs_removed), scope="layerwise", model=model, example_inputs=images,
        round_to=round_to,
    )  # fmt: skip
    return easiedge.shrink(model, groups, mask, images)


def main() -> None:
    """Write ``OUT/NAME/dense`` and ``OUT/NAME/pruned``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--macs-removed", type=float, default=0.5)
    options = parser.parse_args()
    for name in options.names:
        model = network(name)
        easiedge.save(model, options.out / name / "dense", FORM.as_json())
        easiedge.save(pruned(model, options.macs_removed), options.out / name / "pruned", FORM.as_json())
        print(f"easiedge bench {options.out / name}")


if __name__ == "__main__":
    main()
