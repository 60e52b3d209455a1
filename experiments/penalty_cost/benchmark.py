"""What the ADMM penalty adds to a training step of VGG-16: plain and penalised steps in turns, in one run.

    python experiments/penalty_cost/benchmark.py [--steps 12] [--batch 128]

Writes results.json beside this file, from which the table in README.md is printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from easiedge.admm import gated_parameters, initial_state
from easiedge.model.filter_groups import find_groups
from easiedge.model.resnet import resnet20
from easiedge.model.vgg import vgg16
from easiedge.training.admm_callback import ADMMCallback
from easiedge.training.classifier import Classifier
from easiedge.training.loss import classification_loss
from easiedge.training.optimization import make_optimizer
from easiedge.training.recipe import Recipe
from easiedge.unit import FilterMask

MODELS = {"vgg16": vgg16, "resnet20": resnet20}


def measure(model: str, bf16: bool, batch: int, steps: int) -> dict[str, Any]:
    """Medians of plain and penalised steps taken in turns, and of their ratio within each pair."""
    torch.manual_seed(0)
    network: nn.Module = MODELS[model]().to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (batch,))
    groups = find_groups(network, x[:2])
    keep = FilterMask({g.name: torch.rand(g.size) < 0.5 for g in groups})
    optimizer = make_optimizer(network, Recipe(lr=1e-3))
    callback = ADMMCallback(groups, lambda _: keep, network=network)
    module = Classifier(network, Recipe())
    W = dict(network.named_parameters())
    callback._gated = gated_parameters(network, groups)
    callback.state = initial_state(W, keep, 0.1, callback._gated)

    def penalise() -> None:
        callback.on_before_optimizer_step(cast(Any, None), module, optimizer)

    def step(penalised: bool) -> tuple[float, float]:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = classification_loss(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        before = time.perf_counter()
        if penalised:
            penalise()
        spent = time.perf_counter() - before
        optimizer.step()
        return time.perf_counter() - start, spent

    for penalised in (False, True):
        step(penalised)
    pairs = []
    for i in range(steps):
        order = (False, True) if i % 2 == 0 else (True, False)
        pairs.append({penalised: step(penalised) for penalised in order})
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        penalise()
    allocated = sum(max(event.self_cpu_memory_usage, 0) for event in record.events())
    state = callback.state
    plain = statistics.median(pair[False][0] for pair in pairs)
    penalty = [pair[True][1] for pair in pairs]
    return {
        "model": model,
        "precision": "bf16-mixed" if bf16 else "32-true",
        "gated_weights": sum(W[name].numel() for name in callback._gated),
        "plain_step_ms": 1e3 * plain,
        "penalised_step_ms": 1e3 * statistics.median(pair[True][0] for pair in pairs),
        "penalty_ms": 1e3 * statistics.median(penalty),
        "penalty_ms_spread": [1e3 * min(penalty), 1e3 * max(penalty)],
        "share_of_plain_step": statistics.median(penalty) / plain,
        "ratio_of_steps": statistics.median(pair[True][0] / pair[False][0] for pair in pairs),
        "state_bytes": sum(t.numel() * t.element_size() for part in (state.Z, state.U) for t in part.values()),
        "bytes_allocated_by_the_penalty": allocated,
    }


def main() -> None:
    """Measure, save and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    rows = [measure(model, bf16, options.batch, options.steps) for model in MODELS for bf16 in (False, True)]
    about = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "batch": options.batch,
        "pairs": options.steps,
    }
    Path(__file__).with_name("results.json").write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
    print(
        "| network | precision | plain step, ms | penalty, ms (least to most) | penalty / plain step | Z and U, MB | allocated, bytes |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        low, high = row["penalty_ms_spread"]
        print(
            f"| {row['model']} | {row['precision']} | {row['plain_step_ms']:.0f} | {row['penalty_ms']:.1f} ({low:.1f} to {high:.1f})"
            f" | {row['share_of_plain_step']:.1%} | {row['state_bytes'] / 1e6:.1f} | {row['bytes_allocated_by_the_penalty']} |"
        )


if __name__ == "__main__":
    main()
