"""Selection by turns with and without the first-order term, and ADMM's first Z-step after training has moved the network.

python experiments/first_order/measure.py resnet56 --data cifar10_jpeg.zip --weights resnet56_cifar10.safetensors
python experiments/first_order/measure.py vgg16 --data cifar10_jpeg.zip --weights vgg16_cifar10jpeg.safetensors

Writes results/NETWORK.json after every row and goes on where it was.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from typing import Any

from torch import nn

import easiedge
from easiedge.data.cifar10 import CIFAR10
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.model.weights import load_weights
from easiedge.schedule.selection import Selection
from easiedge.training.admm_callback import ADMMCallback
from easiedge.training.evaluate import accuracy
from easiedge.training.fit import fit
from easiedge.training.recipe import Recipe

HERE = Path(__file__).parent
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
NETWORKS: dict[str, Any] = {"resnet56": (resnet56, IMAGENET), "vgg16": (vgg16, {"mean": [0.4914, 0.4822, 0.4465], "std": [0.247, 0.2435, 0.2616]})}  # fmt: skip
BUDGETS = {
    "macs 0.5": {"macs_removed": 0.5},
    "macs 0.7": {"macs_removed": 0.7},
    "filters 0.5": {"filters_removed": 0.5},
}
STEPS = 35  # of the W-step, a tenth of an epoch


def main() -> None:
    """Measure what is not in the results yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", type=int, default=512, help="calibration images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()
    make, norm = NETWORKS[options.network]
    data = CIFAR10(options.data, **norm)
    data.setup()
    network: nn.Module = make()
    load_weights(network, options.weights)
    network.eval()
    judged = data.evaluation_batches("val", 2000)
    path = HERE / "results" / f"{options.network}.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    known = {json.dumps(row["what"], sort_keys=True) for row in rows}

    def keep(what: dict[str, Any], found: dict[str, Any]) -> None:
        rows.append({"what": what, **found})
        path.write_text(json.dumps(rows, indent=1) + "\n")
        print(what, found, flush=True)

    for seed in options.seeds:
        calibration = data.calibration_batches(options.images, seed=seed)
        groups = easiedge.find_groups(network, calibration[0][0][:2])

        def chosen(
            current: nn.Module, budget: Any, selection: Selection, chunk: float, readjust: float | None
        ) -> dict[str, Any]:
            mask = selection.mask(current, groups, calibration, budget, tutor=network, chunk=chunk, readjust=readjust, guarded=False)  # noqa: B023  # fmt: skip
            fitted = selection.remove(current, groups, mask, calibration)[0]  # noqa: B023
            with easiedge.masked(fitted, groups, mask):  # noqa: B023
                return {"accuracy": accuracy(fitted, judged), "filters_removed": mask.share_removed(), "mask": mask}

        for name, asked in BUDGETS.items():
            budget = easiedge.Budget(**asked)
            for criterion in ("joint_information_gain", "taylor_information_gain"):
                for compensation in ("least_squares", None):
                    for first_order in (False, True):
                        what = {
                            "seed": seed, "from": "dense", "budget": name, "criterion": criterion, "compensation": compensation,
                            "first_order": first_order,
                        }  # fmt: skip
                        if json.dumps(what, sort_keys=True) in known:
                            continue
                        selection = Selection(
                            criterion, {"seed": seed}, compensation=compensation, first_order=first_order
                        )
                        found = chosen(network, budget, selection, 0.1, 0.0)
                        found.pop("mask")
                        keep(what, found)
        budget = easiedge.Budget(macs_removed=0.5)
        plain = Selection(options={"seed": seed})
        first = plain.mask(network, groups, calibration, budget, chunk=0.2, readjust=0.0, guarded=False)
        fitted = plain.remove(network, groups, first, calibration)[0]
        trained = copy.deepcopy(network)
        callback = ADMMCallback(groups, lambda current: first, network=trained, rho=1.0, refit=lambda current, mask: fitted)  # noqa: B023  # fmt: skip
        recipe = Recipe(epochs=1, lr=0.01, weight_decay=5e-4, schedule="constant")
        fit(
            trained, data.train_dataloader(), None, recipe, callbacks=[callback], seed=seed, progress=False, best=False,
            trainer_options={"limit_train_batches": STEPS},
        )  # fmt: skip
        trained.eval()
        for first_order in (False, True):
            what = {"seed": seed, "from": "W after a W-step", "budget": "macs 0.5", "first_order": first_order}
            if json.dumps(what, sort_keys=True) in known:
                continue
            found = chosen(trained, budget, Selection(options={"seed": seed}, first_order=first_order), 0.2, 0.0)
            found["flipped"] = found.pop("mask").flipped(first)
            keep(what, found | {"accuracy_of_W": accuracy(trained, judged)})


if __name__ == "__main__":
    main()
