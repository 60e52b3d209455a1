"""Accuracy right after removal and refit, no training, by what the joint form takes for readjustable.

python experiments/readjustment/measure.py resnet56 --data cifar10_jpeg.zip --weights resnet56_cifar10.safetensors
python experiments/readjustment/measure.py resnet56_inside --data cifar10_jpeg.zip --weights resnet56_cifar10.safetensors   # units inside blocks
python experiments/readjustment/measure.py vgg16 --data cifar10_jpeg.zip --weights vgg16_cifar10jpeg.safetensors

Writes results/NETWORK.json after every row and goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import easiedge
from easiedge.data.cifar10 import CIFAR10
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.model.weights import load_weights
from easiedge.projection import project, readjusted_greedy
from easiedge.projection.greedy import GreedyOrder
from easiedge.schedule.selection import Selection
from easiedge.training.evaluate import accuracy
from easiedge.unit import Interaction

HERE = Path(__file__).parent
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
OWN = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.247, 0.2435, 0.2616]}
NETWORKS: dict[str, Any] = {
    "resnet56": (resnet56, IMAGENET, 256, 0.1, ({"macs_removed": 0.5}, {"macs_removed": 0.7})),
    "resnet56_inside": (resnet56, IMAGENET, 256, 0.1, ({"filters_removed": 0.5},)),
    "vgg16": (vgg16, OWN, 768, 0.2, ({"filters_removed": 0.8},)),
}
STREAM = "conv1"  # the group of ResNet-56's residual streams
FORMS = {
    "single units": ("taylor_information_gain", None, False),
    "joint, gates as they are": ("joint_information_gain", 0.0, False),
    "joint, readjusted within the group": ("joint_information_gain", 0.1, False),
    "joint, all gates readjusted": ("joint_information_gain", 0.1, True),
}


class AllReadjusted(readjusted_greedy.ReadjustedOrder):
    """As if the gates of all layers could be scaled anew."""

    def __init__(self, interaction: Interaction, starts: Any) -> None:
        mean = float(interaction.diagonal().double().mean())
        self._all = readjusted_greedy._Group(interaction, 0, int(starts[-1]), interaction.readjust * mean)
        GreedyOrder.__init__(self, self._all.increase(), np.asarray(starts))

    def _without(self, unit: int) -> None:
        self._all.remove(unit)
        self.increase[self.alive] = self._all.increase()[self.alive]


def main() -> None:
    """Measure what is not in the results yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    make, norm, images, chunk, budgets = NETWORKS[options.network]
    data = CIFAR10(options.data, **norm)
    data.setup()
    network = make().eval()
    load_weights(network, options.weights)
    network.eval()
    judged = data.evaluation_batches("val", 2000)
    path = HERE / "results" / f"{options.network}.json"
    path.parent.mkdir(exist_ok=True)
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    if not rows:
        rows.append({"dense": accuracy(network, judged), "images": images, "chunk": chunk, "validation images": 2000})
    done = {(row["seed"], json.dumps(row["budget"]), row["form"]) for row in rows if "form" in row}
    for seed in options.seeds:
        calibration = data.calibration_batches(images, seed=seed)
        groups = easiedge.find_groups(network, calibration[0][0][:2])
        if options.network.endswith("inside"):
            groups = [group for group in groups if group.name != STREAM]
        for asked in budgets:
            for form, (criterion, readjust, everywhere) in FORMS.items():
                if (seed, json.dumps(asked), form) in done:
                    continue
                selection = Selection(criterion=criterion, options={"passes": 2})
                order = AllReadjusted if everywhere else readjusted_greedy.ReadjustedOrder
                begun = time.process_time()
                with mock.patch.object(project, "ReadjustedOrder", order):
                    mask = selection.mask(network, groups, calibration, easiedge.Budget(**asked), chunk=chunk, readjust=readjust, guarded=False)  # fmt: skip
                seconds = time.process_time() - begun
                fitted = selection.remove(network, groups, mask, calibration)[0]
                with easiedge.masked(fitted, groups, mask):
                    found = accuracy(fitted, judged)
                rows.append({"seed": seed, "budget": asked, "form": form, "accuracy": found, "filters_removed": mask.share_removed(), "cpu_seconds": seconds})  # fmt: skip
                path.write_text(json.dumps(rows, indent=1) + "\n")
                print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
