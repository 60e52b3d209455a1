"""How far the greedy and the guided choice of widths are from the exact one, and from each other at full size.

python experiments/projection_gap/measure.py small|rounded|full|real|joint|measured [--data FOLDER] [--out DIR]

``small``: random scores on small networks, exact by `exact_widths`.  ``rounded``: vgg16 and LeNet with coarse widths, exact too.
``full``: resnet56, vgg16, mobilenet_v2, resnet50 with random layer-scaled scores.  ``real``: sketch scores of 256 images, vgg16 and
resnet56.  ``joint``: the joint form, its value on its own and on other images;
``measured``: the information gain of its masks.  FOLDER holds cifar10_jpeg.zip and weights/.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from binding_limits import better_joint
from torch import nn
from torchvision.models import mobilenet_v2, resnet50
from unit_swaps import swap_units

import easiedge
from easiedge.data.cifar10 import CIFAR10
from easiedge.errors import BudgetError, EasiEdgeError
from easiedge.model.cost import network_cost
from easiedge.model.lenet import lenet
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.model.weights import load_weights
from easiedge.projection.budget import limits
from easiedge.projection.exact import exact_widths
from easiedge.projection.exchange import improved
from easiedge.projection.floors import Floors
from easiedge.projection.global_topk import cheapest_first
from easiedge.projection.guided import guided_widths
from easiedge.projection.joint_greedy import JointOrder, joint_gain
from easiedge.projection.order import SingleScores, flat, mask_of, starts_of
from easiedge.projection.width_problem import width_problem
from easiedge.unit import Budget, Interaction

BUDGETS = {
    "MACs 30": Budget(macs_removed=0.3),
    "MACs 50": Budget(macs_removed=0.5),
    "MACs 70": Budget(macs_removed=0.7),
    "params 70, MACs 70": Budget(params_removed=0.7, macs_removed=0.7),
    "units 30, params 45, MACs 55": Budget(filters_removed=0.3, params_removed=0.45, macs_removed=0.55),
    "units 15, params 50, MACs 60": Budget(filters_removed=0.15, params_removed=0.5, macs_removed=0.6),
}
MODERATE = {
    "units 20": Budget(filters_removed=0.2),
    "MACs 35": Budget(macs_removed=0.35),
    "params 25, MACs 25": Budget(params_removed=0.25, macs_removed=0.25),
    "params 40, MACs 40": Budget(params_removed=0.4, macs_removed=0.4),
    "units 10, params 20, MACs 25": Budget(filters_removed=0.1, params_removed=0.2, macs_removed=0.25),
    "units 15, params 30, MACs 35": Budget(filters_removed=0.15, params_removed=0.3, macs_removed=0.35),
}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CIFAR = {
    "vgg16": (vgg16, "vgg16_cifar10jpeg.safetensors", {}),
    "resnet56": (resnet56, "resnet56_cifar10.safetensors", IMAGENET),
}


class Chain(nn.Module):
    """Convolutions with norms one after the other, a slice of a VGG: ``widths`` channels each."""

    def __init__(self, widths):
        super().__init__()
        pairs = zip([3, *widths], widths, strict=False)
        layers = [m for a, b in pairs for m in (nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU())]
        self.features, self.head = nn.Sequential(*layers), nn.Linear(widths[-1], 10)

    def forward(self, x):  # noqa: D102
        return self.head(self.features(x).mean((2, 3)))


def layer_scaled(groups, seed):
    """Lognormal scores, each group scaled by a factor between 0.03 and 30."""
    rng = np.random.default_rng(seed)
    return np.concatenate([10 ** rng.uniform(-1.5, 1.5) * rng.lognormal(0, 1, g.size) for g in groups])


def compare(values, groups, cost, budget, floors, exact=False):
    """Information lost and seconds of each choice; None where the budget is out of reach."""
    try:
        bounds = limits(budget, groups, cost, floors)
    except BudgetError:
        return None
    starts, row = starts_of(groups), {}
    start = time.perf_counter()
    alive = cheapest_first(SingleScores(values, starts), bounds)
    row["greedy_s"] = time.perf_counter() - start
    problem = width_problem(values, starts, bounds)
    greedy = problem.index(np.add.reduceat(alive.astype(float), starts[:-1]))
    row["greedy"], row["trades"] = problem.value(greedy), problem.value(improved(problem, greedy))
    start = time.perf_counter()
    guided = guided_widths(problem, greedy)
    row["guided_s"] = time.perf_counter() - start
    assert problem.met(guided)
    row["guided"], row["used"] = problem.value(guided), problem.used(guided).tolist()
    if exact:
        start = time.perf_counter()
        try:
            row["exact"] = problem.value(exact_widths(problem, seconds=20))
        except EasiEdgeError:
            return None
        row["exact_s"] = time.perf_counter() - start
    return row


def prepared(model, size, channels=3):
    x = torch.randn(2, channels, size, size)
    groups = easiedge.find_groups(model.eval(), x)
    return groups, network_cost(model, groups, x)


def against_exact(rows):
    result = {"instances": len(rows), "exact_s": max(r["exact_s"] for r in rows)}
    for choice in ("greedy", "trades", "guided"):
        gaps = [r[choice] / r["exact"] - 1 for r in rows if r["exact"] > 0]
        assert min(gaps) > -1e-6
        result[choice] = {"mean": mean(gaps), "worst": max(gaps), "best_found": mean(g < 1e-9 for g in gaps)}
    return result


def small(_):
    rng, found = np.random.default_rng(0), {}
    for name, count in (("one budget", 1), ("two budgets", 2), ("three budgets", 3)):
        rows = []
        for seed in range(40):
            groups, cost = prepared(Chain([int(n) for n in rng.integers(4, 13, 4)]), 8)
            shares = rng.uniform(0.2, 0.7, 3)
            shares[rng.permutation(3)[count:]] = 0.0
            asked = {f"{q}_removed": float(s) for q, s in zip(("filters", "params", "macs"), shares, strict=True) if s}
            rows.append(compare(layer_scaled(groups, seed), groups, cost, Budget(**asked), Floors(), exact=True))
        found[name] = against_exact([r for r in rows if r])
        print(name, found[name], flush=True)
    return found


def rounded(_):
    found = {}
    for name, model, size, channels, to in (
        ("lenet, multiples of 4", lenet(num_classes=10, in_channels=1, image_size=8), 8, 1, 4),
        ("vgg16, multiples of 64", vgg16(num_classes=10), 32, 3, 64),
    ):
        groups, cost = prepared(model, size, channels)
        rows = [
            compare(layer_scaled(groups, s), groups, cost, b, Floors(round_to=to), exact=True)
            for s in range(3)
            for b in BUDGETS.values()
        ]
        found[name] = against_exact([r for r in rows if r])
        found[name]["unproven"] = sum(r is None for r in rows)
        print(name, found[name], flush=True)
    return found


def summary(rows):
    return {
        "greedy_over_guided": {"mean": mean(r["greedy"] / r["guided"] - 1 for r in rows)}
        | {"worst": max(r["greedy"] / r["guided"] - 1 for r in rows)},
        "trades_over_guided": max(r["trades"] / r["guided"] - 1 for r in rows),
        "guided_better": mean(r["guided"] < r["greedy"] * (1 - 1e-9) for r in rows),
        "greedy_s": median(r["greedy_s"] for r in rows),
        "guided_s": median(r["guided_s"] for r in rows),
        "slowest_s": max(r["greedy_s"] + r["guided_s"] for r in rows),
    }


def by_budget(name, scores, groups, cost, found):
    for budget_name, budget in BUDGETS.items():
        rows = [r for v in scores if (r := compare(v, groups, cost, budget, Floors()))]
        found[f"{name}, {budget_name}"] = summary(rows)
        print(name, budget_name, found[f"{name}, {budget_name}"], flush=True)


def full(_):
    found = {}
    for name, make, size in (
        ("resnet56", resnet56, 32),
        ("vgg16", vgg16, 32),
        ("mobilenet_v2", mobilenet_v2, 224),
        ("resnet50", resnet50, 224),
    ):
        groups, cost = prepared(make(), size)
        by_budget(name, [layer_scaled(groups, s) for s in range(3)], groups, cost, found)
    return found


def trained(name, folder):
    make, weights, norm = CIFAR[name]
    data = CIFAR10(str(folder / "cifar10_jpeg.zip"), **norm)
    data.setup()
    model = make(num_classes=10).eval()
    load_weights(model, folder / "weights" / weights)
    groups, cost = prepared(model, 32)
    return model, groups, cost, data


def real(folder):
    found = {}
    for name in CIFAR:
        model, groups, cost, data = trained(name, folder)
        scores = [
            flat(
                easiedge.score(model, groups, data.calibration_batches(256, seed=s), "taylor_information_gain"), groups
            )
            for s in range(2)
        ]
        by_budget(name, scores, groups, cost, found)
    return found


def joint(folder):
    found = {}
    for name in CIFAR:
        model, groups, cost, data = trained(name, folder)
        forms = []
        for seed in range(2):
            batches = data.calibration_batches(1024, seed=seed)
            form = easiedge.score(model, groups, batches, "joint_information_gain", seed=seed).interaction
            assert isinstance(form, Interaction)
            forms.append(form)
        for budget_name, budget in BUDGETS.items():
            bounds, row = limits(budget, groups, cost, Floors()), {}
            greedy = JointOrder(forms[0], starts_of(groups))
            choices = {"greedy": cheapest_first(greedy, bounds).copy()}
            choices["greedy, swaps"] = swap_units(greedy, bounds)
            start = time.perf_counter()
            choices["better of two"] = better_joint(JointOrder(forms[0], starts_of(groups)), bounds)
            row["seconds"] = time.perf_counter() - start
            for choice, alive in choices.items():
                row[choice] = [joint_gain(form, torch.from_numpy(~alive)) for form in forms]
            found[f"{name}, {budget_name}"] = row
            print(name, budget_name, row, flush=True)
    return found


def measured(folder, images=500):
    """Information gain of really masking, nats, on validation images that the form has not seen."""
    found = {}
    for name in CIFAR:
        model, groups, cost, data = trained(name, folder)
        form = easiedge.score(model, groups, data.calibration_batches(1024), "joint_information_gain").interaction
        x = torch.cat([x for x, _ in data.evaluation_batches("val", images)])
        with torch.no_grad():
            dense = model(x).log_softmax(1)
        for budget_name, budget in MODERATE.items():
            bounds, row, known = limits(budget, groups, cost, Floors()), {}, {}
            greedy = JointOrder(form, starts_of(groups))
            choices = {"greedy": cheapest_first(greedy, bounds).copy(), "greedy, swaps": swap_units(greedy, bounds)}
            choices["better of two"] = better_joint(JointOrder(form, starts_of(groups)), bounds)
            for choice, alive in choices.items():
                if alive.tobytes() not in known:
                    with torch.no_grad(), easiedge.masked(model, groups, mask_of(alive, groups)):
                        gone = model(x).log_softmax(1)
                    known[alive.tobytes()] = float((dense.exp() * (dense - gone)).sum(1).mean())
                row[choice] = known[alive.tobytes()]
            found[f"{name}, {budget_name}"] = row
            print(name, budget_name, row, flush=True)
    return found


def main():
    parser = argparse.ArgumentParser()
    parts = {"small": small, "rounded": rounded, "full": full, "real": real, "joint": joint, "measured": measured}
    parser.add_argument("part", choices=parts)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("results"))
    given = parser.parse_args()
    torch.manual_seed(0)
    result = parts[given.part](given.data)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{given.part}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
