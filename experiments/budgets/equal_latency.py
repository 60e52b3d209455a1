"""At equal measured latency, which projection keeps more accuracy: the one that sees milliseconds, or the one that sees MACs?  See README.md.

python experiments/budgets/equal_latency.py vgg16 resnet56 --data cifar10_jpeg.zip --weights weights --tables tables
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from networks import NETWORKS, Network, clock_of, network

import easiedge
from easiedge.deploy.latency.table import LatencyTable
from easiedge.deploy.latency.table_file import load_table
from easiedge.model.cost import network_cost
from easiedge.scoring.score_store import SharedScores
from easiedge.store import Store
from easiedge.training.evaluate import logits
from easiedge.unit import Budget, FilterMask

SHARES = (0.85, 0.7, 0.5, 0.35)  # of the dense network's time
CLOSE, ROUNDS = 0.015, 8


def by_macs(
    net: Network, limit: float, clock: Callable[[torch.nn.Module], float], select: Callable[..., FilterMask]
) -> Any:
    """The MACs budget whose network is measured at ``limit`` ms: bisection on the measured time."""
    low, high, best = 0.0, 0.97, None
    for _ in range(ROUNDS):
        share = 0.5 * (low + high)
        mask = select(budget=Budget(macs_removed=share))
        ms = clock(easiedge.shrink(net.model, net.groups, mask, net.x))
        print(f"  MACs removed {share:.3f}: {ms:.4f} ms (wanted {limit:.4f})", flush=True)
        if best is None or abs(ms - limit) < abs(best[1] - limit):
            best = (mask, ms, share)
        if abs(ms / limit - 1) < CLOSE:
            break
        low, high = (share, high) if ms > limit else (low, share)
    return best


def right(net: Network, model: torch.nn.Module) -> np.ndarray:
    """Whether each test image is classified right."""
    labels = torch.cat([y for _, y in net.data.test_dataloader()])
    return (logits(model, net.data.test_dataloader()).argmax(1) == labels).numpy()


def run(net: Network, table: LatencyTable, compensation: str | None, out: Path) -> None:
    latency = table.network(net.model, net.groups, net.x)
    once = clock_of(net, table)

    def clock(model: torch.nn.Module) -> float:
        return float(np.median([once(model) for _ in range(3)]))

    cost, dense_ms = network_cost(net.model, net.groups, net.x), clock(net.model)
    random = np.random.default_rng(0)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        scorer = SharedScores(Store(Path(folder)))

        def select(**options: Any) -> FilterMask:
            return easiedge.select(
                net.model, net.groups, net.batches, criterion="joint_information_gain", chunk=0.1, compensation=compensation,
                scorer=scorer, **options,
            )  # fmt: skip

        for share in SHARES:
            limit, begun = share * dense_ms, time.perf_counter()
            aware = select(budget=Budget(latency_ms_max=limit), latency=latency, clock=clock)
            nets = {}
            for name, mask in (("latency", aware), ("macs", None)):
                if mask is None:
                    mask, _, _ = by_macs(net, nets["latency"]["ms"], clock, select)
                whole = net.model
                if compensation:
                    whole = easiedge.compensate(net.model, net.groups, mask, net.batches)
                compact = easiedge.shrink(whole, net.groups, mask, net.x).eval()
                nets[name] = {
                    "ms": clock(compact), "predicted_ms": latency.ms(mask.kept()), "right": right(net, compact),
                    "macs_kept": cost.total(mask.kept())["macs"] / cost.dense["macs"],
                    "params_kept": cost.total(mask.kept())["params"] / cost.dense["params"],
                    "kept": mask.kept(),
                }  # fmt: skip
            difference = nets["latency"]["right"].astype(float) - nets["macs"]["right"]
            draws = random.integers(0, len(difference), (2000, len(difference)))
            interval = np.percentile(difference[draws].mean(1), [2.5, 97.5])
            row: dict[str, Any] = {"share": share, "limit_ms": limit, "seconds": time.perf_counter() - begun}
            for name, found in nets.items():
                row |= {f"{name}_{k}": v for k, v in found.items() if k != "right"}
                row[f"{name}_accuracy"] = float(found["right"].mean())
            row |= {"difference": float(difference.mean()), "interval": interval.tolist()}
            rows.append(row)
            print(net.name, {k: v for k, v in row.items() if not k.endswith("kept")}, flush=True)
            save(out, net, table, compensation, dense_ms, rows)


def save(
    out: Path, net: Network, table: LatencyTable, compensation: str | None, dense_ms: float, rows: list[Any]
) -> None:
    content = {
        "network": net.name, "compensation": compensation, "dense_ms": dense_ms, "setting": table.setting.__dict__, "rows": rows,
    }  # fmt: skip
    (out / f"{net.name}-equal-latency{'-refitted' if compensation else ''}.json").write_text(
        json.dumps(content, indent=1) + "\n"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="+", choices=NETWORKS)
    parser.add_argument("--data", type=Path, required=True, help="the JPEG copy of CIFAR-10")
    parser.add_argument("--weights", type=Path, required=True, help="folder with weights of vgg16 and resnet56")
    parser.add_argument("--tables", type=Path, required=True, help="folder with NETWORK-table.json")
    parser.add_argument(
        "--compensation", choices=["least_squares"], help="refit in closed form; without, weights stay as they are"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for each in arguments.networks:
        net = network(each, arguments.data, arguments.weights)
        run(net, load_table(arguments.tables / f"{each}-table.json"), arguments.compensation, arguments.out)
