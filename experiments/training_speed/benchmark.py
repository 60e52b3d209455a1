"""A training step beside that of plain Lightning with the same network and batches, all ways in turns in one run.

    python experiments/training_speed/benchmark.py [--models vgg16 resnet56] [--rounds 5] [--steps 8]

Writes results.json after every round; ``--draw`` only draws the picture and prints the table.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from easiedge.data.in_memory import Batches, Images
from easiedge.model.filter_groups import find_groups
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.training.admm_callback import ADMMCallback
from easiedge.training.fit import fit
from easiedge.training.precision import Precision
from easiedge.training.recipe import Recipe
from easiedge.unit import FilterMask

HERE = Path(__file__).parent
MODELS: dict[str, Callable[[], nn.Module]] = {"vgg16": vgg16, "resnet56": resnet56}
PLAIN = "plain Lightning, float32"


class Plain(pl.LightningModule):
    """What Lightning's own introduction writes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Cross entropy."""
        return F.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SGD with momentum."""
        return torch.optim.SGD(self.network.parameters(), lr=1e-3, momentum=0.9, nesterov=True)


class Steps(pl.Callback):
    """Seconds from one batch to the next."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the time."""
        self.at.append(time.perf_counter())

    @property
    def median(self) -> float:
        """Milliseconds of a step, the first two left out."""
        return 1e3 * statistics.median(b - a for a, b in zip(self.at[2:], self.at[3:], strict=False))


def random_batches(batch: int, count: int) -> Batches:
    """``count`` batches of random images of 32x32, shifted and mirrored; torch's generator is seeded for what follows."""
    generator, images = torch.Generator().manual_seed(0), batch * count
    pixels = torch.randint(0, 256, (images, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (images,), generator=generator)
    torch.manual_seed(0)
    return Batches(Images(pixels, labels), batch, (0.5,) * 3, (0.25,) * 3, shuffle=True, shift=4, flip=True)


def admm_callback(network: nn.Module, batches: Batches) -> ADMMCallback:
    """ADMM with a choice that costs nothing: the first half of each group."""
    groups = find_groups(network, next(iter(batches))[0][:2])
    keep = FilterMask({g.name: torch.arange(g.size) < g.size // 2 for g in groups})
    return ADMMCallback(groups, lambda _: keep, network=network, rho=1e-3)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What all scripts here take."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--draw", action="store_true", help="only draw and print what was measured before")
    return parser


def quiet() -> None:
    """Keep Lightning's remarks out of the output."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


def plain(network: nn.Module, batches: Batches, steps: int) -> float:
    """Plain Lightning."""
    watch = Steps()
    pl.Trainer(
        max_steps=steps, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[watch],
    ).fit(Plain(network), batches)  # fmt: skip
    return watch.median


def ours(precision: str, channels_last: bool, admm: bool = False) -> Callable[[nn.Module, Batches, int], float]:
    """`easiedge.training.fit`, with or without ADMM's penalty."""

    def measure(network: nn.Module, batches: Batches, steps: int) -> float:
        watch, callbacks = Steps(), list[pl.Callback]()
        if admm:
            callbacks.append(admm_callback(network, batches))
        fit(
            network, batches, None, Recipe(epochs=1, lr=1e-3), callbacks=[*callbacks, watch], progress=False, best=False,
            precision=Precision(precision, channels_last, "asked"), trainer_options={"limit_train_batches": steps, "accelerator": "cpu"},
        )  # fmt: skip
        return watch.median

    return measure


WAYS: dict[str, Callable[[nn.Module, Batches, int], float]] = {
    PLAIN: plain,
    "easiedge, float32": ours("32-true", False),
    "easiedge, float32, channels_last": ours("32-true", True),
    "easiedge, bf16": ours("bf16-mixed", False),
    "easiedge, bf16, channels_last": ours("bf16-mixed", True),
    "W-step of ADMM, bf16, channels_last": ours("bf16-mixed", True, admm=True),
}


def main() -> None:
    """Measure round after round, save, print and draw."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    quiet()
    path = HERE / "results.json"
    if not options.draw:
        rows: list[dict[str, Any]] = []
        for number in range(options.rounds):
            for model in options.models:
                for way, measure in WAYS.items():
                    batches = random_batches(options.batch, options.steps + 1)
                    rows.append({"round": number, "model": model, "way": way, "ms": measure(MODELS[model](), batches, options.steps)})  # fmt: skip
                    print(rows[-1], flush=True)
            about = {
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "batch": options.batch,
                "steps": options.steps,
            }
            path.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
    draw(json.loads(path.read_text()))


def draw(found: dict[str, Any]) -> None:
    """The table of ratios within rounds, and a bar for each way."""
    models = list(dict.fromkeys(row["model"] for row in found["rows"]))
    ms = {(r["round"], r["model"], r["way"]): r["ms"] for r in found["rows"]}
    rounds = sorted({r["round"] for r in found["rows"]})
    print(
        "| way |"
        + "".join(f" {m}, ms | times as fast as plain |" for m in models)
        + "\n|---|"
        + "---|" * (2 * len(models))
    )
    speed: dict[tuple[str, str], list[float]] = {}
    for way in WAYS:
        cells = []
        for m in models:
            speed[m, way] = sorted(ms[r, m, PLAIN] / ms[r, m, way] for r in rounds)
            s = speed[m, way]
            cells += [
                f"{statistics.median(ms[r, m, way] for r in rounds):.0f}",
                f"{statistics.median(s):.2f} ({s[0]:.2f} to {s[-1]:.2f})",
            ]
        print("| " + " | ".join([way, *cells]) + " |")
    for m in models:
        ratios = sorted(
            ms[r, m, "W-step of ADMM, bf16, channels_last"] / ms[r, m, "easiedge, bf16, channels_last"] for r in rounds
        )
        print(
            f"{m}: W-step / the same step without penalty: {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
        )
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    axes = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    for axis, m in zip(axes, models, strict=True):
        medians = [statistics.median(speed[m, way]) for way in WAYS]
        axis.barh(range(len(WAYS)), medians, color="#1f4e9c", height=0.65)
        for i, value in enumerate(medians):
            axis.text(value + 0.03, i, f"{value:.2f}", va="center", fontsize=8)
        axis.set_yticks(range(len(WAYS)), list(WAYS))
        axis.set_xlim(0, 1.15 * max(medians))
        axis.set_title(m, fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    figure.supxlabel("steps in the time of one of plain Lightning", fontsize=10)
    figure.savefig(HERE / "training_speed.png", dpi=150)


if __name__ == "__main__":
    main()
