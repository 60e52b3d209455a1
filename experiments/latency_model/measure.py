"""Does a latency table predict shrunk networks that it has not seen?  See README.md."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torchvision

from easiedge.deploy.latency.engine import session
from easiedge.deploy.latency.measure_table import measure_table
from easiedge.deploy.latency.table_file import load_table, save_table
from easiedge.deploy.latency.timing import runner, timed
from easiedge.deploy.latency.widths import leading_units
from easiedge.deploy.onnx_export import onnx_bytes
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
SHARES, ROUND_TO = (0.1, 0.3, 0.5, 0.7, 0.9), (1, 4, 8)


def as_trained(model: torch.nn.Module) -> torch.nn.Module:
    """Norms with statistics and shifts, so that no convolution's bias vanishes: the engine fuses one without a bias differently."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.normal_(module.bias, std=0.1)
    return model.eval()


def held_out(sizes: np.ndarray, seed: int) -> list[tuple[str, np.ndarray]]:
    """Widths unlike those of the table: every group near one share, as a global ranking leaves them, at three roundings."""
    random, found = np.random.default_rng(seed), []
    for share in SHARES:
        for grain in ROUND_TO:
            wanted = sizes * (1 - share) * np.exp(0.4 * random.standard_normal(len(sizes)))
            kept = np.clip(np.maximum(np.round(wanted / grain), 1) * grain, 1, sizes)
            found.append((f"{share:.0%} removed, widths in multiples of {grain}", kept.astype(np.int64)))
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
    dense_run = runner(session(onnx_bytes(model, (x[:1],)), 1), (x[:1],))
    rows = []
    for label, kept in held_out(latency.widths.sizes, seed):
        compact = shrink(model, groups, leading_units(kept, groups), x).eval()
        small_run = runner(session(onnx_bytes(compact, (x[:1],)), 1), (x[:1],))
        dense, small = [], []
        for _ in range(4):  # by turns, so that a busy machine slows both
            dense += timed(dense_run, repetitions // 2, 3)
            small += timed(small_run, repetitions // 2, 3)
        low, median, high = np.percentile(small, [25, 50, 75])
        rows.append(
            {
                "network": label,
                "measured_ms": float(median),
                "spread": float((high - low) / median),
                "dense_ms": float(np.median(dense)),
                "predicted_ms": latency.ms(kept.astype(float)),
                "predicted_dense_ms": latency.ms(latency.widths.sizes),
                "macs_kept": float(cost.totals(kept.astype(float))[2] / cost.dense["macs"]),
            }
        )
        print({k: v if isinstance(v, str) else round(v, 4) for k, v in rows[-1].items()}, flush=True)
    summary = summarise(rows)
    print(name, summary, flush=True)
    quality = {"error_median": table.quality.error_median, "error_worst": table.quality.error_worst}
    result = {
        "network": name, "input": size, "setting": table.setting.__dict__, "networks": networks, "repetitions": repetitions,
        "seconds": seconds, "spread": table.quality.spread, "cross_validated": quality, "summary": summary, "rows": rows,
    }  # fmt: skip
    (out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def summarise(rows: list[dict]) -> dict[str, float]:
    """Median and worst relative error: in milliseconds, as a share of the dense network, and of MACs used as latency."""
    measured = np.array([r["measured_ms"] for r in rows])
    predicted = np.array([r["predicted_ms"] for r in rows])
    dense = np.array([r["dense_ms"] for r in rows])
    predicted_dense = np.array([r["predicted_dense_ms"] for r in rows])
    errors = {
        "ms": np.abs(predicted / measured - 1),
        "share": np.abs((predicted / predicted_dense) / (measured / dense) - 1),
        "macs": np.abs(np.array([r["macs_kept"] for r in rows]) / (measured / dense) - 1),
    }
    return {f"{k}_{w}": float(f(e)) for k, e in errors.items() for w, f in (("median", np.median), ("worst", np.max))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="+", choices=NETWORKS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--measured", type=int, default=32, help="shrunk networks the table is made from")
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for each in arguments.networks:
        run(each, arguments.out, arguments.measured, arguments.repetitions, arguments.seed)
