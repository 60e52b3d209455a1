"""What scoring and projection cost: a sketch pass beside a training pass, joint selection and single scores at scale.

python experiments/scoring_cost/measure.py [--out DIR]

Ratios are taken inside one run: each repetition times a training pass and a sketch pass one after the other on the same images.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import resource
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np
import torch
from torchvision.models import resnet50

import easiedge
from easiedge.model.gates import columns
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.projection.global_topk import cheapest_first, lowest_scores
from easiedge.projection.joint_greedy import JointOrder
from easiedge.scoring.information_gain import gains_of
from easiedge.scoring.measured_oracle import sampled_units
from easiedge.unit import Interaction


def timed(job):
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def training_pass(model, batches, precision):
    model = copy.deepcopy(model).train()
    half = precision == "bfloat16"
    if half:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)

    def job():
        for x, y in batches:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = torch.nn.functional.cross_entropy(
                    model(x.contiguous(memory_format=torch.channels_last) if half else x), y
                )
            loss.backward()
            optimizer.step()

    return timed(job)


def sketching(model, groups, batches, passes, precision):
    return timed(
        lambda: easiedge.score(model, groups, batches, "taylor_information_gain", passes=passes, precision=precision)
    )


def sketch(name, images, repeats):
    """Seconds of a training pass and of one and four sketch passes over the same images, in float32 and in bfloat16, and ratios."""
    torch.manual_seed(0)
    model = {"resnet56": resnet56, "vgg16": vgg16}[name]().eval()
    batches = [(torch.randn(128, 3, 32, 32), torch.randint(0, 10, (128,))) for _ in range(images // 128)]
    groups = easiedge.find_groups(model, batches[0][0][:2])
    result = {}
    for precision in ("float32", "bfloat16"):
        rows = []
        for _ in range(repeats + 1):
            train = training_pass(model, batches, precision)
            one, four = (sketching(model, groups, batches, k, precision) for k in (1, 4))
            rows.append(
                {"training": train, "sketch": one, "sketch_4": four, "ratio": one / train, "ratio_4": four / train}
            )
        rows = rows[1:]  # the first warms up
        ratios = {"ratios": [r["ratio"] for r in rows]}
        result[precision] = {key: median(r[key] for r in rows) for key in rows[0]} | ratios
        print(name, precision, {k: round(v, 2) for k, v in result[precision].items() if k != "ratios"}, flush=True)
    return result


def oracle(name, images, share):
    """Seconds of the oracle, from a random ``share`` of each group's units, and of sketches with four passes before and after.

    A group costs what is done once (one unit, timed alone) and a slope (the sampled units less one): both from this run.
    ``forward`` is a plain pass over the images; one for every unit is what an oracle costs that computes nothing once for many units.
    """
    torch.manual_seed(0)
    model = {"resnet56": resnet56, "vgg16": vgg16}[name]().eval()
    batches = [torch.randn(128, 3, 32, 32) for _ in range(images // 128)]
    groups = easiedge.find_groups(model, batches[0][:2])
    precisions = ("float32", "bfloat16")

    def four_passes():
        return {p: sketching(model, groups, batches, 4, p) for p in precisions}

    @torch.no_grad()
    def forward():
        for x in batches:
            model(x)

    four_passes()  # warms up
    before, plain, seconds, measured = four_passes(), timed(forward), 0.0, 0
    for g in groups:  # groups differ in the part of the network behind them
        units = sampled_units([g], share, 0)[g.name].tolist()
        units = units if len(units) > 1 else [0, 1]
        one, several = (timed(lambda g=g, u=u: gains_of(model, [g], batches, {g.name: u})) for u in (units[:1], units))
        seconds += one + (several - one) / (len(units) - 1) * (g.size - 1)
        measured += len(units)
    after, plain = four_passes(), (plain + timed(forward)) / 2
    units = sum(g.size for g in groups)
    result = {"units": units, "measured": measured, "oracle": seconds, "forward": plain, "forward_each": plain * units}
    for p in precisions:
        result[f"sketch_4_{p}"] = (before[p] + after[p]) / 2
        result[f"ratio_{p}"] = seconds / result[f"sketch_4_{p}"]
        result[f"ratio_forward_each_{p}"] = plain * units / result[f"sketch_4_{p}"]
    return result


def joint_resnet50(rows):
    """Joint selection of half of ResNet-50's units (tied streams count once), low-rank form with ``rows`` random rows."""
    model, x = resnet50().eval(), torch.randn(2, 3, 224, 224)
    groups = easiedge.find_groups(model, x)
    units = sum(g.size for g in groups)
    interaction = random_form(tuple(g.name for g in groups), units, rows)
    half = 0.5 * interaction.diagonal().double()
    scores = easiedge.FilterScores(
        {n: half[s] for n, s in columns(groups).items()}, "joint_information_gain", interaction
    )
    result = {"units": units, "rows": rows}
    for name, budget in (("units", easiedge.Budget(filters_removed=0.5)), ("macs", easiedge.Budget(macs_removed=0.5))):
        result[f"seconds_{name}"] = timed(
            lambda budget=budget: easiedge.project(scores, groups, budget=budget, model=model, example_inputs=x)
        )
    return result


def random_form(names, units, rows):
    """Rows of unequal size, as real ones are; independent columns are the hard case, since every removal reorders the rest."""
    generator = torch.Generator().manual_seed(0)
    G = torch.randn(rows, units, generator=generator) * torch.rand(units, generator=generator).exp() / rows**0.5
    return Interaction(names, torch.zeros(units), rows=G)


def limit(units, groups, share):
    """Only the number of units is limited."""
    sizes = np.full(groups, units // groups, dtype=np.float64)
    most = np.array([sizes.sum() - round(share * sizes.sum()), np.inf, np.inf])
    return SimpleNamespace(
        most=most, floor=np.ones(groups), round_to=1, units_only=True,
        unmet=lambda kept: np.maximum(np.array([kept.sum(), 0.0, 0.0]) - most, 0.0),
        step=lambda kept: np.where(kept > 1, 1.0, 0.0),
        cost=SimpleNamespace(marginal=lambda kept, steps: np.stack([steps, 0 * steps, 0 * steps])),
    )  # fmt: skip


def joint_untied(units, rows):
    """Joint selection of half of ``units`` units in 53 groups: as many as ResNet-50 has filters, none of them tied."""
    groups = 53
    units = units // groups * groups
    starts = np.linspace(0, units, groups + 1).astype(np.int64)
    order = JointOrder(random_form(("all",), units, rows), starts)
    return {"units": units, "rows": rows, "seconds": timed(lambda: cheapest_first(order, limit(units, groups, 0.5)))}


def single(units):
    """Exact choice of half of ``units`` units by single scores."""
    starts = np.linspace(0, units, 51).astype(np.int64)
    values = np.random.default_rng(0).random(units)
    return {
        "units": units,
        "seconds": median(timed(lambda: lowest_scores(values, starts, limit(units, 50, 0.5))) for _ in range(3)),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/scoring_cost"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    result = {"single": single(1_000_000)}
    print(f"single scores, 1,000,000 units: {result['single']['seconds']:.2f} s", flush=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result["joint_untied"] = joint_untied(26_560, 2048)
    result["joint_resnet50"] = joint_resnet50(2048)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result["peak_gb"], result["peak_before_gb"] = peak / 1e6, before / 1e6
    print(
        f"joint, 26,560 untied units: {result['joint_untied']['seconds']:.1f} s; ResNet-50: {result['joint_resnet50']}; peak {peak / 1e6:.2f} GB",
        flush=True,
    )
    for name in ("resnet56", "vgg16"):
        result[name] = sketch(name, options.images, options.repeats)
        result[name]["oracle"] = oracle(name, options.images, {"resnet56": 0.1, "vgg16": 0.02}[name])
        print(name, {k: round(v, 2) for k, v in result[name]["oracle"].items()}, flush=True)
    result |= {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "images": options.images,
    }
    (options.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
