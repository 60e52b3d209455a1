"""Does a latency table predict shrunk networks that it has not seen?  See README.md."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torchvision
from picture import errors_picture, predicted_picture

from easiedge.deploy.latency.measure_table import measure_table
from easiedge.deploy.latency.table_file import load_table, save_table
from easiedge.deploy.latency.timing import exported
from easiedge.deploy.latency.turns import by_turns, clock_for
from easiedge.deploy.latency.widths import leading_units
from easiedge.model.cost import network_cost
from easiedge.model.filter_groups import find_groups
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.report.latency_picture import latency_picture
from easiedge.surgery.shrink import shrink

NETWORKS = {
    "vgg16": (vgg16, 32),
    "resnet56": (resnet56, 32),
    "mobilenet_v2": (lambda: torchvision.models.mobilenet_v2(num_classes=1000), 224),
    "resnet50": (lambda: torchvision.models.resnet50(num_classes=1000), 224),
}
SHARES, ROUND_TO, UNEQUAL = (0.1, 0.3, 0.5, 0.7, 0.9), (1, 4, 8), 1.0


def as_trained(model: torch.nn.Module) -> torch.nn.Module:
    """Norms with statistics and shifts, so that no convolution's bias vanishes: the engine fuses one without a bias differently."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.normal_(module.bias, std=0.1)
    return model.eval()


def held_out(sizes: np.ndarray, seed: int) -> list[tuple[str, np.ndarray]]:
    """Widths unlike those of the table: every group near one share at three roundings; then very unequal ones, of any number."""
    random, found = np.random.default_rng(seed), []
    for share in SHARES:
        for grain in ROUND_TO:
            wanted = sizes * (1 - share) * np.exp(0.4 * random.standard_normal(len(sizes)))
            kept = np.clip(np.maximum(np.round(wanted / grain), 1) * grain, 1, sizes)
            found.append((f"{share:.0%} removed, widths in multiples of {grain}", kept.astype(np.int64)))
    for share in SHARES:
        wanted = sizes * (1 - share) * np.exp(UNEQUAL * random.standard_normal(len(sizes)))
        found.append((f"{share:.0%} removed, very unequal", np.clip(np.round(wanted), 1, sizes).astype(np.int64)))
    return found


def run(name: str, out: Path, networks: int, repetitions: int, seed: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    build, size = NETWORKS[name]
    model, x = as_trained(build()), torch.randn(2, 3, size, size)
    groups = find_groups(model, x)
    begun = time.perf_counter()
    table = measure_table(
        model, groups, x, networks=networks, repetitions=repetitions,
        progress=lambda done: print(f"{name}: {done} of {networks}", flush=True),
    )  # fmt: skip
    seconds = time.perf_counter() - begun
    save_table(table, out / f"{name}-table.json")
    latency = load_table(out / f"{name}-table.json").network(model, groups, x)
    latency_picture(table, out / f"{name}.png")
    cost = network_cost(model, groups, x)
    dense, clock = exported(model, x, 1), clock_for(1)
    rows = []
    for label, kept in held_out(latency.widths.sizes, seed):
        small = exported(shrink(model, groups, leading_units(kept, groups), x).eval(), x, 1)
        (first,), (again,) = (by_turns([small], dense, repetitions, 5, clock=clock) for _ in range(2))
        runs = np.concatenate([first.runs_ms.reshape(-1), again.runs_ms.reshape(-1)])
        ratio = (first.ratio + again.ratio) / 2
        rows.append(
            {
                "network": label,
                "kept": kept.tolist(),
                "measured_ms": ratio * table.quality.dense_ms,
                "predicted_ms": latency.ms(kept.astype(float)),
                "raw_ms": float(np.median(runs)),
                "dense_then_ms": float(np.median(np.concatenate([first.reference_ms, again.reference_ms]))),
                "measured_twice": abs(first.ratio - again.ratio) / ratio,
                "macs_kept": float(cost.totals(kept.astype(float))[2] / cost.dense["macs"]),
            }
        )
        shown = {k: v if isinstance(v, str) else round(v, 4) for k, v in rows[-1].items() if k != "kept"}
        print(shown, flush=True)
    predicted_dense = latency.ms(latency.widths.sizes)
    result = {
        "network": name, "input": size, "setting": table.setting.__dict__, "networks": networks, "repetitions": repetitions,
        "seconds": seconds, "quality": table.quality.__dict__, "predicted_dense_ms": predicted_dense,
        "table_bytes": (out / f"{name}-table.json").stat().st_size,
        "summary": summarise(rows, table.quality.dense_ms), "rows": rows,
    }  # fmt: skip
    print(name, result["summary"], flush=True)
    (out / f"{name}.json").write_text(json.dumps(result) + "\n")


def summarise(rows: list[dict], dense_ms: float) -> dict[str, float]:
    """Median and worst relative error, of the milliseconds at nominal speed, of those as they came, and of MACs for latency."""
    measured, predicted, raw, macs = (
        np.array([r[key] for r in rows]) for key in ("measured_ms", "predicted_ms", "raw_ms", "macs_kept")
    )
    errors = {
        "nominal": np.abs(predicted / measured - 1),
        "raw": np.abs(predicted / raw - 1),
        "macs": np.abs(macs * dense_ms / measured - 1),
        "twice": np.array([r["measured_twice"] for r in rows]),
    }
    return {f"{k}_{w}": float(f(e)) for k, e in errors.items() for w, f in (("median", np.median), ("worst", np.max))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="+", choices=NETWORKS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--measured", type=int, default=48, help="shrunk networks the table is made from")
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for each in arguments.networks:
        run(each, arguments.out, arguments.measured, arguments.repetitions, arguments.seed)
    errors_picture(arguments.out, list(NETWORKS))
    predicted_picture(arguments.out, list(NETWORKS))
