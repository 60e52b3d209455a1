"""Run directories as easiedge writes them, made up: a few to look at, or thousands for scale."""

import copy
import csv
import io
import json
import math
import random
from functools import lru_cache
from pathlib import Path

import yaml
from omegaconf import OmegaConf

from easiedge.cli import conf_dir
from easiedge.configuration import composed

LAYERS = {"lenet": (("conv1", 20), ("conv2", 50), ("fc1", 500)), "vgg16": tuple((f"features.{3 * i}", 64 << min(i // 2, 3)) for i in range(13))}  # fmt: skip
BASE = {"digits": 0.97, "mnist": 0.99, "cifar10": 0.88}
DENSE_MACS, DENSE_PARAMS = 260_520, 114_830


@lru_cache
def _composed():
    """Every key that a run of easiedge writes."""
    return OmegaConf.to_container(composed(conf_dir(), []), resolve=True)


def config(seed=0, scope="global", method="easiedge", budget=0.5, data="digits", model="lenet", finetune=2, **more):
    """A configuration, nested as in config.yaml; ``more`` replaces values by dotted names with ``__``."""
    criterion = "l1_magnitude" if method == "l1_layerwise" else "joint_information_gain"
    schedule = {"_target_": "easiedge.schedule.admm.Admm", "iterations": 3, "epochs_per_iteration": 1, "rho": 1.0}
    found = copy.deepcopy(_composed())
    own = {
        "seed": seed,
        "weights": None,
        "budget": {"filters_removed": budget, "macs_removed": None},
        "groups": {"include": ["*"], "exclude": []},
        "data": {"_target_": f"easiedge.data.{data}", "root": None, "seed": seed},
        "model": {"_target_": f"easiedge.model.{model}"},
        "recipe": {"train": {"epochs": 3, "lr": 0.05}, "admm": {"epochs": 1}, "finetune": {"epochs": finetune}},
        "schedule": schedule if method == "easiedge" else {"_target_": f"easiedge.schedule.{method}"},
        "scoring": {"criterion": criterion, "options": {"passes": 2, "seed": seed}, "chunk": 0.1},
        "projection": {"scope": scope, "min_units": 1},
        "logger": {"kind": "none"},
    }
    for name, value in own.items():
        found[name] = (
            {**found[name], **value} if isinstance(value, dict) and name not in ("schedule", "recipe") else value
        )
    for name, value in more.items():
        inner = found
        *parts, last = name.split("__")
        for part in parts:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return found


def metrics(cfg, method="easiedge", data="digits", model="lenet", latency=False):
    """Figures that a run with this configuration might have had: smooth in the budget, noisy in the seed."""
    draw = random.Random(json.dumps([cfg, method], default=str))
    scope, budget = cfg["projection"]["scope"], cfg["budget"]["filters_removed"] or 0.0
    dense = BASE.get(data, 0.9) + random.Random(cfg["seed"]).gauss(0, 0.004)
    loss = 0.10 * budget**2 * (1.0 if scope == "global" else 1.6) * (1.0 if method == "easiedge" else 1.8)
    accuracy = min(
        max(dense - loss + 0.004 * math.log2(1 + cfg["recipe"]["finetune"]["epochs"]) + draw.gauss(0, 0.004), 0), 1
    )
    kept_macs = round(DENSE_MACS * (1 - budget * (0.7 if scope == "global" else 0.9)))
    units = sum(n for _, n in LAYERS[model])
    pruned = {
        "params": round(DENSE_PARAMS * (1 - budget)),
        "macs": kept_macs,
        "filters": max(1, round(units * (1 - budget))),
    }
    whole = {"params": DENSE_PARAMS, "macs": DENSE_MACS, "filters": units}
    rounds = cfg["schedule"].get("iterations", 0)
    iterations = [
        {"primal_residual": 0.5 / (i + 1) + draw.random() / 20, "dual_residual": 0.9 / (i + 1), "rho": 1.0 + i,
         "flipped": 0.3 / (i + 1), "masked_accuracy": accuracy - 0.02}
        for i in range(rounds)
    ]  # fmt: skip
    found = {
        "schema": 1, "seed": cfg["seed"], "method": method, "data": data, "model": model,
        "contents": {"classes": 10, "images": 1797, "digest": f"{data:0<16}"[:16]},
        "budget": {
            "requested": {"filters_removed": budget},
            "achieved": {f"{q}_removed": 1 - pruned[q] / whole[q] for q in whole}, "reached": True,
        },
        "dense": {"accuracy": dense, **whole}, "masked": {"accuracy": accuracy - 0.02},
        "pruned": {"accuracy": accuracy, "accuracy_before_finetune": max(accuracy - 0.02, 0), **pruned},
        "equivalence": {"max_abs_diff": 1e-6, "images": 143}, "admm": {"iterations": iterations},
        "seconds": {"train": 1.5, "score": 2.0, "admm": 1.0, "finetune": 0.6, "total": 5.1 + draw.random()},
        "versions": {"easiedge": "0.1.0"},
    }  # fmt: skip
    if latency:
        found["latency"] = {
            "machine": "a board",
            "engine": "an engine",
            "threads": 4,
            "dense_predicted_ms": 2.0,
            "predicted_ms": 2.0 - budget,
        }
    return found


def layers_csv(figures, model="lenet"):
    """Rows that keep the same share of each layer, or the last ones less under global scope."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(
        ["group", "layer", "units_before", "units_after", "params_before", "params_after", "macs_before", "macs_after"]
    )
    kept = figures["pruned"]["filters"] / figures["dense"]["filters"]
    draw = random.Random(figures["pruned"]["macs"] + figures["seed"])
    for name, units in LAYERS[model]:
        after = min(units, max(1, round(units * kept * draw.uniform(0.7, 1.3))))
        out.writerow([name, name, units, after, units * 9, after * 9, units * 100, after * 100])
    out.writerow(["", "head", 10, 10, 5000, 2500, 5000, 2500])
    return text.getvalue()


def curves_csv(cfg):
    """Dense training and fine-tuning, an epoch a row."""
    lines = ["stage,epoch,train_loss,val_loss,val_accuracy,lr"]
    for stage, epochs in (
        ("dense training", cfg["recipe"]["train"]["epochs"]),
        ("fine-tuning", cfg["recipe"]["finetune"]["epochs"]),
    ):
        lines += [
            f"{stage},{e},{1 / (e + 1):.6f},{1.1 / (e + 1):.6f},{0.97 - 0.3 / (e + 2):.6f},{0.05 / (e + 1):.6g}"
            for e in range(epochs)
        ]
    return "\n".join(lines) + "\n"


def write_run(directory: Path, curves=True, dense_only=False, latency=False, **chosen):
    """A run directory; ``chosen`` goes to `config`. Returns its figures."""
    cfg = config(**chosen)
    names = {k: chosen[k] for k in ("method", "data", "model") if k in chosen}
    figures = metrics(cfg, latency=latency, **names)
    directory.mkdir(parents=True, exist_ok=True)
    if dense_only:
        for name in ("budget", "masked", "pruned", "equivalence", "admm"):
            del figures[name]
    else:
        (directory / "layers.csv").write_text(layers_csv(figures, names.get("model", "lenet")))
    (directory / "metrics.json").write_text(json.dumps(figures))
    (directory / "config.yaml").write_text(
        yaml.dump(cfg, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
    )
    if curves:
        (directory / "curves.csv").write_text(curves_csv(cfg))
    return figures


def write_study(root: Path, seeds=3, budgets=(0.3, 0.5, 0.7), methods=("easiedge", "one_shot"), **chosen):
    """Methods, scopes, budgets and seeds, each combined with each; returns how many runs there are."""
    number = 0
    for method in methods:
        for scope in ("global", "layerwise"):
            for budget in budgets:
                for seed in range(seeds):
                    write_run(root / str(number), method=method, scope=scope, budget=budget, seed=seed, **chosen)
                    number += 1
    return number
