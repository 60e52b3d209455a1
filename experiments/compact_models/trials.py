"""One trial of a search, from a freshly trained network to structure, TQ and figures, as a line of results/trials.jsonl; what is there is not done again.

    python experiments/compact_models/trials.py            # the tables: six searches, ten trials on each of seven tasks
    python experiments/compact_models/trials.py --trend    # GRS, Jump-GRS and joint information gain over widths from 16x8x4 to 512x256x128

MNIST is read from EASIEDGE_DATA, the folder with MNIST/ (left out where that is not set).  --only A,B: these searches alone.  One thread; times are of the process (CPU seconds) and of the wall.
"""

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import torch

from easiedge.data.breast_cancer import BreastCancer
from easiedge.data.calcium import Calcium
from easiedge.data.digits import Digits
from easiedge.data.in_memory import Images, normalise
from easiedge.data.mnist import MNIST
from easiedge.data.split import draw_stratified
from easiedge.model.count import count
from easiedge.model.filter_groups import find_groups
from easiedge.model.tiny import FAMILIES
from easiedge.report.search_record import improvements, nonzero_counts, search_figures
from easiedge.search.acceptance import least_accuracy
from easiedge.search.evaluation import Evaluation
from easiedge.search.greedy import begun, search
from easiedge.search.jump import Jump
from easiedge.search.lean_training import LeanTraining, Samples, quality
from easiedge.search.strategies.greedy_random import GreedyRandom
from easiedge.search.strategies.information_gain import JointInformationGain, SingleInformationGain
from easiedge.search.strategies.natural_order import NaturalOrder
from easiedge.search.strategies.random_layer import RandomLayer
from easiedge.search.structure import original
from easiedge.search.tq import TqRequest, tq
from easiedge.training.recipe import Recipe

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "trials.jsonl"
T, TRIALS, EPOCHS, CALIBRATION = 0.985, 10, 5, 256
DENSE = Recipe(epochs=30, optimizer="adamw", lr=0.003, weight_decay=1e-2, schedule="cosine", warmup=0.0)
DATA = {
    "breast_cancer": (BreastCancer, 32, {}),
    "calcium": (Calcium, 64, {}),
    "two_digits": (Digits, 32, {"shift": 0, "classes": [3, 8], "val_share": 0.25}),
    "mnist": (MNIST, 64, {"root": os.environ.get("EASIEDGE_DATA", ""), "download": False}),
}
TASKS = [
    ("nn1", "breast_cancer"), ("nn2", "breast_cancer"), ("cnn1", "two_digits"), ("cnn2", "two_digits"), ("nn1", "calcium"), ("nn2", "calcium"),
    ("nn1", "mnist"),
]  # fmt: skip
MNIST_IMAGES = (3000, 2000)  # of training and validation
SEARCHES = {
    "grs": lambda samples: GreedyRandom(),
    "rrs": lambda samples: RandomLayer(),
    "nwm": lambda samples: NaturalOrder(),
    "information_gain": lambda samples: SingleInformationGain(samples),
    "joint_information_gain": lambda samples: JointInformationGain(samples),
    "jump_grs": lambda samples: Jump((0.5, 0.25), 3, GreedyRandom()),
}
WIDTHS = [[k, k // 2, k // 4] for k in (16, 32, 64, 128, 256, 512)]
TREND = ("grs", "jump_grs", "joint_information_gain")
TREND_EPOCHS = 3


def samples(name):
    """Training, validation and test samples, and the size of a batch."""
    cls, batch, options = DATA[name]
    data = cls(**options)
    data.setup()
    train, val = data.train, data.val
    if name == "mnist":
        train, val = (p.take(draw_stratified(p.labels, n, 0)) for p, n in zip((train, val), MNIST_IMAGES, strict=True))
    return [_ready(part, data) for part in (train, val, data.test)], data, batch


def _ready(images: Images, data):
    return Samples(normalise(images.pixels, data.mean, data.std), images.labels)


def trial(model, task, name, seed, widths=None, epochs=EPOCHS):
    """The figures of one trial."""
    (train, val, test), data, batch = samples(task)
    torch.manual_seed(seed)
    network = FAMILIES[model](data.num_classes, data.input_shape, **({} if widths is None else {"widths": widths}))
    lean = LeanTraining(train, val, DENSE, batch, from_scratch=True)
    start = lean(network, seed)
    inputs, calibration = train.x[:64], list(train.x[torch.randperm(len(train))[:CALIBRATION]].split(128))
    candidates = replace(lean, recipe=replace(DENSE, epochs=epochs), from_scratch=False)
    strategy = SEARCHES[name](calibration)
    first = original(network, find_groups(network, inputs), start, inputs)
    wall, spent = time.perf_counter(), time.process_time()
    with Evaluation(candidates) as evaluate:
        found = search(
            begun(first, strategy),
            strategy,
            evaluate,
            least_accuracy(T, start.accuracy),
            seed=seed,
            calibration=calibration,
        )
    wall, spent = time.perf_counter() - wall, time.process_time() - spent
    dense = {"accuracy": quality(network, test).accuracy, **count(network, inputs[:2])}
    small = found.structure.network
    structured = {"accuracy": quality(small, test).accuracy, **count(small, inputs[:2])}
    made = tq(small, TqRequest(), lambda n: quality(n, val))
    sparse = {"accuracy": quality(made.network, test).accuracy, **nonzero_counts(made.network, inputs[:2])}
    row = {
        "model": model, "data": task, "search": name, "seed": seed, "widths": widths, "epochs": epochs, "T": T, "dense": dense,
        "dense_val": start.accuracy, "structured": {**structured, **improvements(dense, structured)}, "units": found.structure.sizes,
        "tq": {**sparse, **improvements(dense, sparse), "threshold": made.threshold, "digits": made.digits, "zeros": made.zeros},
        **search_figures(found.steps), "wall_seconds": round(wall, 3), "cpu_seconds": round(spent, 3),
    }  # fmt: skip
    if name == "joint_information_gain":
        row["path"] = [[s.params, round(s.seconds, 4)] for s in found.steps]
    if seed == 0:
        row["history"] = [[s.phase, s.candidates, round(s.mean_accuracy, 5), s.accepted, s.units] for s in found.steps]
    return row


def key(row):
    return (row["model"], row["data"], row["search"], row["seed"], json.dumps(row["widths"]))


def wanted(trend):
    if trend:
        for seed in range(3):
            for widths in WIDTHS if seed == 0 else WIDTHS[:5]:
                for name in TREND:
                    yield "nn1", "breast_cancer", name, seed, widths, TREND_EPOCHS
        return
    for model, task in TASKS:
        if task == "mnist" and not DATA["mnist"][2]["root"]:
            continue
        for seed in range(TRIALS):
            for name in SEARCHES:
                yield model, task, name, seed, None, EPOCHS


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trend", action="store_true")
    parser.add_argument("--only", default=",".join(SEARCHES))
    given = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.parent.mkdir(exist_ok=True)
    done = {key(json.loads(line)) for line in RESULTS.read_text().splitlines()} if RESULTS.exists() else set()
    for model, task, name, seed, widths, epochs in wanted(given.trend):
        if name not in given.only.split(",") or (model, task, name, seed, json.dumps(widths)) in done:
            continue
        row = trial(model, task, name, seed, widths, epochs)
        with RESULTS.open("a") as file:
            file.write(json.dumps(row) + "\n")
        kept = {k: round(100 * v, 1) for k, v in row["structured"].items() if k in ("AL", "FCI", "PCI")}
        print(model, task, widths or "", name, seed, kept, row["units"], f"{row['cpu_seconds']:.1f} s", flush=True)
