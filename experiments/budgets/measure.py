"""Every kind of budget at 30, 50, 70 and 90 %: asked for, and counted again on the network that was shrunk.  See README.md.

python experiments/budgets/measure.py vgg16 resnet56 --data cifar10_jpeg.zip --weights weights --tables tables
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from networks import NETWORKS, Network, clock_of, network

import easiedge
from easiedge.deploy.artifact import artifact_size
from easiedge.deploy.latency.network_latency import NetworkLatency
from easiedge.deploy.latency.table_file import load_table
from easiedge.errors import BudgetError
from easiedge.model.activation_memory import peak_memory
from easiedge.model.cost import network_cost
from easiedge.projection.budget import FIELDS, limits
from easiedge.projection.floors import Floors
from easiedge.projection.project import choose
from easiedge.surgery.measured_latency import held
from easiedge.unit import Budget

SHARES = (0.3, 0.5, 0.7, 0.9)
TOGETHER = {  # each at the share, several at once
    "params, MACs, artifact": ("params_removed", "macs_removed", "artifact_mb_max"),
    "params, MACs, latency": ("params_removed", "macs_removed", "latency_ms_max"),
}


def budgets(cost: Any, latency: bool) -> Iterator[tuple[str, float, Budget]]:
    """Kind, share and budget; limits that are not shares are that share below the dense network's value."""
    dense = cost.total(cost.sizes)
    kinds = {field: (field,) for field in FIELDS} | TOGETHER
    for kind, names in kinds.items():
        if "latency_ms_max" in names and not latency:
            continue
        for share in SHARES:
            asked = {}
            for field in names:
                quantity, unit = FIELDS[field]
                asked[field] = share if field.endswith("_removed") else (1 - share) * dense[quantity] / unit
            yield kind, share, Budget(**asked)


def counted(compact: torch.nn.Module, kept: dict[str, int], x: torch.Tensor) -> dict[str, float]:
    """Every quantity but milliseconds, on the network itself and its files."""
    with tempfile.TemporaryDirectory() as folder:
        easiedge.save(compact, folder)
        size = artifact_size(folder)
    return {
        "filters": sum(kept.values()), **easiedge.count(compact, x), "artifact_bytes": size,
        "memory_bytes": peak_memory(compact, x),
    }  # fmt: skip


def run(net: Network, tables: Path | None, out: Path) -> None:
    table = tables / f"{net.name}-table.json" if tables else None
    latency: NetworkLatency | None = None
    if table is not None and table.is_file():
        found = load_table(table)
        latency, clock = found.network(net.model, net.groups, net.x), clock_of(net, found)
    every = Budget(latency_ms_max=1e9, memory_mb_max=1e-9, artifact_mb_max=1e9)
    begun = time.perf_counter()
    single = easiedge.score(net.model, net.groups, net.batches, criterion="taylor_information_gain")
    joint = easiedge.score(net.model, net.groups, net.batches, criterion="joint_information_gain")
    readjusted = replace(joint, interaction=replace(joint.interaction, readjust=0.1))
    print(net.name, f"scored in {time.perf_counter() - begun:.0f} s", flush=True)
    whole = network_cost(net.model, net.groups, net.x, every, latency)
    rows = []
    for kind, share, budget in budgets(whole, latency is not None):
        cost = network_cost(net.model, net.groups, net.x, budget, latency)
        ways = [("joint", "global", joint), ("joint", "layerwise", joint), ("single", "global", single)]
        if kind in TOGETHER:
            ways.append(("readjusted", "global", readjusted))
        for criterion, scope, scores in ways:
            row: dict[str, Any] = {
                "kind": kind,
                "share": share,
                "criterion": criterion,
                "scope": scope,
                "asked": budget.asked(),
            }
            begun = time.perf_counter()
            try:
                mask = easiedge.project(scores, net.groups, budget=budget, scope=scope, cost=cost)
            except BudgetError as error:
                rows.append({**row, "refused": str(error)})
                print(net.name, kind, share, criterion, scope, "refused:", error, flush=True)
                continue
            row["seconds"] = time.perf_counter() - begun
            timed = budget.latency_ms_max is not None and (criterion, scope) == ("joint", "global")
            if timed:  # the limit then holds as measured
                mask = held(
                    mask, limits(budget, net.groups, cost, Floors()),
                    lambda bounds, s=scores, o=scope: choose(s, net.groups, bounds, o),
                    lambda m: clock(easiedge.shrink(net.model, net.groups, m, net.x)),
                )  # fmt: skip
            compact = easiedge.shrink(net.model, net.groups, mask, net.x)
            found = counted(compact, mask.kept(), net.x)
            dense = whole.total(whole.sizes)
            if budget.latency_ms_max is not None:
                row["predicted_ms"] = latency.ms(mask.kept())
                found["latency_ms"] = clock(compact) if timed else row["predicted_ms"]  # afresh
            row["got"], row["over"], row["one_unit"] = {}, {}, {}
            kept = np.array([float(n) for n in mask.kept().values()])
            for field, value in budget.asked().items():
                quantity, unit = FIELDS[field]
                removed = field.endswith("_removed")
                row["got"][field] = 1 - found[quantity] / dense[quantity] if removed else found[quantity] / unit
                most = (1 - value) * dense[quantity] if removed else value * unit
                row["over"][field] = float(found[quantity] - most) / dense[quantity]
            row["could_come_back"] = could_come_back(cost, budget, kept, net)
            rows.append(row)
            print(net.name, kind, share, criterion, scope, row["got"], f"{row['seconds']:.2f} s", flush=True)
    (out / f"{net.name}-budgets.json").write_text(
        json.dumps({"network": net.name, "units": int(whole.sizes.sum()), "dense": whole.total(whole.sizes), "rows": rows}, indent=1) + "\n"
    )  # fmt: skip


def could_come_back(cost: Any, budget: Budget, kept: np.ndarray, net: Network) -> int:
    """In how many groups one more unit would still be within every limit: the budget was overshot by more than a unit."""
    bounds = limits(budget, net.groups, cost, Floors())
    count = 0
    for g in range(len(kept)):
        more = kept.copy()
        more[g] += 1
        count += int(kept[g] < cost.sizes[g] and bounds.met(more))
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="+", choices=NETWORKS)
    parser.add_argument("--data", type=Path, help="the JPEG copy of CIFAR-10; random images without it")
    parser.add_argument("--weights", type=Path, help="folder with weights of vgg16 and resnet56")
    parser.add_argument(
        "--tables", type=Path, help="folder with NETWORK-table.json of easiedge latency or of experiments/latency_model"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    for each in arguments.networks:
        run(network(each, arguments.data, arguments.weights), arguments.tables, arguments.out)
