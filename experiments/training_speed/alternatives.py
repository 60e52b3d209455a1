"""What a step would gain by torch.compile, and by fused or foreach optimisers: steps in turns within each round, in the arithmetic that easiedge chooses here.

    python experiments/training_speed/alternatives.py [--models vgg16 resnet56] [--rounds 5]

Plain loop: forward, cross entropy, backward, SGD with Nesterov momentum.  Writes alternatives.json and prints the table; torch.compile's warm-up
is what its first step takes beyond the later ones.
"""

from __future__ import annotations

import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from benchmark import MODELS, arguments
from torch import Tensor, nn
from torch.nn import functional as F

from easiedge.training.precision import Precision, choose_precision

HERE = Path(__file__).parent
WAYS: dict[str, tuple[dict[str, bool], bool]] = {
    "for-loop optimiser": ({"foreach": False}, False),
    "as torch chooses": ({}, False),
    "foreach optimiser": ({"foreach": True}, False),
    "fused optimiser": ({"fused": True}, False),
    "torch.compile": ({}, True),
}


def stepper(
    network: nn.Module, options: dict[str, bool], compiled: bool, chosen: Precision
) -> Callable[[Tensor, Tensor], None]:
    """One training step of a copy of ``network``."""
    own = copy.deepcopy(network).train()
    if chosen.channels_last:
        own = own.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    called = torch.compile(own) if compiled else own
    optimizer = torch.optim.SGD(own.parameters(), lr=1e-3, momentum=0.9, nesterov=True, **options)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=chosen.precision == "bf16-mixed"):
            loss = F.cross_entropy(called(x), y)
        loss.backward()
        optimizer.step()

    return step


def seconds(step: Callable[[Tensor, Tensor], None], x: Tensor, y: Tensor) -> float:
    """Of one step."""
    start = time.perf_counter()
    step(x, y)
    return time.perf_counter() - start


def measure(model: str, rounds: int, batch: int) -> dict[str, Any]:
    """Milliseconds of every round by way, and of the first step."""
    torch.manual_seed(0)
    network, x, y = MODELS[model](), torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    chosen = choose_precision(network, x[:2], told=False)
    if chosen.channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    steps = {way: stepper(network, *how, chosen) for way, how in WAYS.items()}
    first = {way: seconds(step, x, y) for way, step in steps.items()}
    ms: dict[str, list[float]] = {way: [] for way in steps}
    for _ in range(rounds):
        for way, step in steps.items():
            ms[way].append(1e3 * seconds(step, x, y))
    return {"precision": chosen.precision, "channels_last": chosen.channels_last, "first_s": first, "ms": ms}


def table(found: dict[str, Any]) -> None:
    """Ratios to the optimiser that torch chooses, within rounds; and from how many steps on compiling pays."""
    print("| network | way | ms a step | times as fast | warm-up [s] | pays from step |\n|---|---|---|---|---|---|")
    for model, one in found["models"].items():
        base = one["ms"]["as torch chooses"]
        for way, ms in one["ms"].items():
            ratios = sorted(b / m for b, m in zip(base, ms, strict=True))
            own, saved = statistics.median(ms), statistics.median(base) - statistics.median(ms)
            warm = one["first_s"][way] - own / 1e3
            pays = f"{1e3 * warm / saved:.0f}" if way == "torch.compile" and saved > 0 else ""
            spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            print(f"| {model} | {way} | {own:.0f} | {spread} | {warm:.1f} | {pays} |")


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    path = HERE / "alternatives.json"
    if not options.draw:
        about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "batch": options.batch}
        rows = {model: measure(model, options.rounds, options.batch) for model in options.models}
        path.write_text(json.dumps({"about": about, "models": rows}, indent=1) + "\n")
    table(json.loads(path.read_text()))
