"""Where the time of a training step goes: torch's profiler over W-steps of ADMM, in the arithmetic that easiedge chooses here.

python experiments/training_speed/profile_step.py [--models vgg16 resnet56] [--steps 6]
python experiments/training_speed/profile_step.py --draw      # the picture and the table from profile.json
"""

from __future__ import annotations

import importlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from benchmark import MODELS, Steps, admm_callback, arguments, quiet, random_batches
from matplotlib.figure import Figure
from torch.profiler import ProfilerActivity, profile

from easiedge.training.admm_callback import ADMMCallback
from easiedge.training.fit import fit
from easiedge.training.precision import choose_precision
from easiedge.training.recipe import Recipe

HERE = Path(__file__).parent
PARTS = {
    "convolution, forward": ("mkldnn_convolution", "convolution_overrideable", "_convolution", "thnn_conv2d", "addmm", "mm", "linear"),
    "convolution, backward": ("mkldnn_convolution_backward", "convolution_backward"),
    "batch norm": ("native_batch_norm", "native_batch_norm_backward", "batch_norm_update_stats"),
    "activation, sum, pooling": (
        "clamp_min", "clamp_min_", "relu", "relu_", "threshold_backward", "add", "max_pool2d_with_indices", "max_pool2d_with_indices_backward",
        "mean", "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "_adaptive_avg_pool2d_backward", "expand", "div", "constant_pad_nd",
    ),
    "copies and layouts": ("copy_", "contiguous", "clone", "_to_copy", "fill_", "zero_", "cat"),
}  # fmt: skip
COLOURS = ("#1f5fa8", "#5c8fc9", "#8a5fb0", "#c2702b", "#b9a13a", "#3f8f6b", "#b0485c", "#9aa4ad")


class Window(pl.Callback):
    """The profiler from the third batch on."""

    def __init__(self) -> None:
        self.steps, self.profiler = Steps(), profile(activities=[ProfilerActivity.CPU])

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        """Start it; note the time."""
        if batch_idx == 2:
            self.profiler.__enter__()
        self.steps.on_train_batch_start(trainer, module, batch, batch_idx)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Stop it."""
        self.profiler.__exit__(None, None, None)


def annotate_optimiser() -> None:
    """SGD's arithmetic under a name of its own; Lightning runs forward and backward within ``Optimizer.step``, which says nothing."""
    module = importlib.import_module("torch.optim.sgd")
    inner = module.sgd

    def named(*given: Any, **more: Any) -> None:
        with torch.profiler.record_function("easiedge.optimiser"):
            inner(*given, **more)

    module.sgd = named  # type: ignore[attr-defined]


def annotated(callback: ADMMCallback) -> ADMMCallback:
    """The penalty under a name of its own in the profile."""
    inner = callback.on_before_optimizer_step

    def named(*given: Any, **more: Any) -> None:
        with torch.profiler.record_function("easiedge.penalty"):
            inner(*given, **more)

    callback.on_before_optimizer_step = named  # type: ignore[method-assign]
    return callback


def measure(model: str, steps: int, batch: int) -> dict[str, Any]:
    """Milliseconds of a step by part."""
    batches = random_batches(batch, steps + 3)
    network = MODELS[model]()
    admm, window = annotated(admm_callback(network, batches)), Window()
    chosen = choose_precision(network, next(iter(batches))[0][:2], told=False)
    fit(
        network, batches, None, Recipe(epochs=1, lr=1e-3), callbacks=[admm, window], progress=False, best=False, precision=chosen,
        trainer_options={"limit_train_batches": steps + 2, "accelerator": "cpu"},
    )  # fmt: skip
    events = window.profiler.key_averages()
    times, known = defaultdict(float), {f"aten::{op}": part for part, ops in PARTS.items() for op in ops}
    total = {"optimiser": 0.0, "penalty of ADMM": 0.0}
    for event in events:
        if event.key == "easiedge.optimiser":
            total["optimiser"] += event.cpu_time_total / 1e3 / steps
        elif event.key == "easiedge.penalty":
            total["penalty of ADMM"] += event.cpu_time_total / 1e3 / steps
        elif event.key in known:
            times[known[event.key]] += event.self_cpu_time_total / 1e3 / steps
    wall = window.steps.median
    rest = wall - sum(times.values()) - sum(total.values())
    parts = {**{part: times[part] for part in PARTS}, **total, "the rest: Python, Lightning, data": max(rest, 0.0)}
    return {"ms": wall, "precision": chosen.precision, "channels_last": chosen.channels_last, "parts": parts}


def draw(found: dict[str, Any]) -> None:
    """One bar for each network."""
    figure = Figure(figsize=(8.4, 0.9 + 0.75 * len(found["models"])), layout="constrained")
    axes = figure.subplots()
    names = list(next(iter(found["models"].values()))["parts"])
    print("| network | arithmetic | ms a step | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 3))
    for row, (model, one) in enumerate(found["models"].items()):
        left, whole = 0.0, sum(one["parts"].values())
        for colour, name in zip(COLOURS, names, strict=True):
            share = 100 * one["parts"][name] / whole
            axes.barh(row, share, left=left, color=colour, height=0.6, label=name if row == 0 else None)
            if share > 4:
                axes.text(left + share / 2, row, f"{share:.0f}", ha="center", va="center", fontsize=8, color="white")
            left += share
        arithmetic = f"{one['precision']}{', channels_last' if one['channels_last'] else ''}"
        cells = [f"{100 * value / whole:.1f} %" for value in one["parts"].values()]
        print(f"| {model} | {arithmetic} | {one['ms']:.0f} | " + " | ".join(cells) + " |")
    axes.set_yticks(range(len(found["models"])), list(found["models"]))
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="share of a W-step [%]")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(ncols=3, fontsize=7.5, frameon=False, loc="lower center", bbox_to_anchor=(0.45, 1.0))
    figure.savefig(HERE / "profile.png", dpi=150)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=int, default=6)
    options = parser.parse_args()
    quiet()
    annotate_optimiser()
    path = HERE / "profile.json"
    if not options.draw:
        about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "batch": options.batch}
        rows = {model: measure(model, options.steps, options.batch) for model in options.models}
        path.write_text(json.dumps({"about": about, "models": rows}, indent=1) + "\n")
    draw(json.loads(path.read_text()))
