"""Seconds of a training step and of a joint score, in one process of one thread and in two of one thread each; the ratio of both, in turns.

On a machine that others use too, the clock says little: seconds of computing (busy) show how far the work is divided.

    python experiments/many_processes/measure.py --networks lenet resnet20 vgg16 --rounds 5

writes results.json beside it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch

from easiedge.launch import STORE, Place
from easiedge.model.filter_groups import find_groups
from easiedge.model.lenet import lenet
from easiedge.model.resnet import resnet20
from easiedge.model.vgg import vgg16
from easiedge.processes import joined, told
from easiedge.scoring.score import score
from easiedge.training.fit import fit
from easiedge.training.recipe import Recipe

NETWORKS = {"lenet": (lenet, 1, 28), "resnet20": (resnet20, 3, 32), "vgg16": (vgg16, 3, 32)}
BATCH, STEPS, SCORED = 128, 12, 4


def seconds(name: str) -> dict[str, float]:
    """Of a training step (global batches of 128) and of a joint score of 4 batches of 64 images: by the clock, and computing (busy)."""
    torch.manual_seed(0)
    build, channels, size = NETWORKS[name]
    network = build(num_classes=10)
    batches = [(torch.randn(BATCH, channels, size, size), torch.randint(0, 10, (BATCH,))) for _ in range(STEPS)]
    calibration = [x[:64] for x, _ in batches[:SCORED]]
    fit(network, batches[:2], None, Recipe(epochs=1), precision="32-true", progress=False)  # warm-up
    told(None)
    groups = find_groups(network, calibration[0][:2])
    times = [(time.perf_counter(), time.process_time())]
    fit(network, batches, None, Recipe(epochs=1), precision="32-true", progress=False)
    times.append((time.perf_counter(), time.process_time()))
    score(network, groups, calibration, "joint_information_gain")
    times.append((time.perf_counter(), time.process_time()))
    (begun, busy_begun), (trained, busy_trained), (scored, busy_scored) = times
    return {
        "step": (trained - begun) / STEPS, "step, busy": (busy_trained - busy_begun) / STEPS,
        "score": scored - trained, "score, busy": busy_scored - busy_trained,
    }  # fmt: skip


def process(rank: int, size: int, store: str, names: list[str], answers: multiprocessing.Queue) -> None:
    torch.set_num_threads(1)
    os.environ[STORE] = store
    with joined(Place(rank, size, rank, size), 600.0):
        found = {name: seconds(name) for name in names}
    if rank == 0:
        answers.put(found)


def measured(size: int, names: list[str]) -> dict[str, dict[str, float]]:
    fresh = multiprocessing.get_context("spawn")
    answers = fresh.Queue()
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        started = [fresh.Process(target=process, args=(n, size, store, names, answers)) for n in range(size)]
        for one in started:
            one.start()
        found = answers.get(timeout=1200)
        for one in started:
            one.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    rounds = []
    for number in range(given.rounds):
        order = (1, 2) if number % 2 == 0 else (2, 1)
        rounds.append({str(size): measured(size, given.networks) for size in order})
    (Path(__file__).parent / "results.json").write_text(json.dumps(rounds, indent=1) + "\n")
    for name in given.networks:
        for what in rounds[0]["1"][name]:
            one, two = ([r[size][name][what] for r in rounds] for size in ("1", "2"))
            ratios = [b / a for a, b in zip(one, two, strict=True)]
            print(f"{name:9} {what:11} one {statistics.median(one):8.4f} s  two {statistics.median(two):8.4f} s  "
                  f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
