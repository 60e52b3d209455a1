"""Tables and pictures of README.md from the saved results: python redraw.py."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

HERE = Path(__file__).parent
BLUE, ORANGE, GREEN, PURPLE, GREY = "#1f5fa8", "#d1602a", "#3a8f5c", "#8a56a8", "#5b6773"
UNITS = {
    "matrix": "matrix-based, L1",
    "joint": "matrix-based, joint criterion",
    "easiedge": "easiedge (ADMM, joint)",
    "reuse": "reduce and reuse",
}
WEIGHTS = {
    "iterative": "weights, iterative", "direct": "weights, direct", "magnitude": "magnitude, no training",
    "optimal_brain_damage": "Optimal Brain Damage, no training", "optimal_brain_surgeon": "Optimal Brain Surgeon, blocks of 50, no training",
    "kernel": "kernels", "strided": "strided kernels", "channel": "channels", "inbound": "inbound, layer by layer",
}  # fmt: skip


def runs() -> dict[str, dict[int, Any]]:
    """By name without its seed, then by seed."""
    found: dict[str, dict[int, Any]] = defaultdict(dict)
    for path in sorted((HERE / "results").glob("*.json")):
        content = json.loads(path.read_text())
        parts = path.stem.split("-")
        found["-".join([parts[0], *parts[2:]])][content["seed"]] = content
    return found


def mean(values: Any) -> float:
    return float(np.mean(list(values)))


def spread(values: list[float], digits: int = 2) -> str:
    """Mean, and the lowest and highest seed."""
    return f"{np.mean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def levels(by_seed: dict[int, Any]) -> dict[float, list[tuple[Any, Any]]]:
    """(level, run) of each seed by ratio."""
    found: dict[float, list[tuple[Any, Any]]] = defaultdict(list)
    for run in by_seed.values():
        for level in run["levels"]:
            found[level["ratio"]].append((level, run))
    return dict(sorted(found.items()))


def weight_table(found: dict[str, dict[int, Any]]) -> None:
    print(
        "| weights | gone [%] | right after the cut [%] | trained [%] | minus dense | parameters left | CSR [kB] | COO [kB] | seeds |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, label in WEIGHTS.items():
        for rows in levels(found.get(name, {})).values():
            each = [level for level, _ in rows]
            lost = [100 * (level["accuracy"] - run["dense"]["accuracy"]) for level, run in rows]
            cells = [
                f"{100 * mean(x['removed'] for x in each):.1f}", f"{100 * mean(x['accuracy_cut'] for x in each):.2f}",
                f"{100 * mean(x['accuracy'] for x in each):.2f}", spread(lost), f"{mean(x['params'] for x in each):,.0f}",
                f"{mean(x['bytes']['csr'] for x in each) / 1e3:,.0f}", f"{mean(x['bytes']['coo'] for x in each) / 1e3:,.0f}", str(len(rows)),
            ]  # fmt: skip
            print(f"| {label} | " + " | ".join(cells) + " |")


def unit_table(found: dict[str, dict[int, Any]]) -> None:
    print(
        "\n| units | asked | before fine-tuning [%] | fine-tuned [%] | minus dense | parameters left | MACs left | file [kB] | times faster | seeds |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, label in UNITS.items():
        for key in sorted(k for k in found if k.startswith(f"{name}-")):
            each = list(found[key].values())
            lost = [100 * (x["pruned"]["accuracy"] - x["dense"]["accuracy"]) for x in each]
            faster = [x["bench"]["times_faster"]["estimate"] for x in each if "bench" in x]
            cells = [
                key.partition("-")[2], f"{100 * mean(x['pruned']['accuracy_before_finetune'] for x in each):.2f}",
                f"{100 * mean(x['pruned']['accuracy'] for x in each):.2f}", spread(lost), f"{mean(x['pruned']['params'] for x in each):,.0f}",
                f"{100 * mean(x['pruned']['macs'] / x['dense']['macs'] for x in each):.0f} %", f"{mean(x['file_bytes'] for x in each) / 1e3:,.0f}",
                spread(faster) if faster else "-", str(len(each)),
            ]  # fmt: skip
            print(f"| {label} | " + " | ".join(cells) + " |")


def time_table(found: dict[str, dict[int, Any]]) -> None:
    print(
        "\n| gone [%] | dense file [kB] | CSR, 8-byte indices [kB] | CSR [kB] | masked, times the dense time | torch sparse, times the dense time |"
    )
    print("|---|---|---|---|---|---|")
    for rows in levels(found["iterative"]).values():
        each = [level for level, _ in rows]
        times = {
            n: [1 / t["times_faster"] for x in each for t in x["times"] if t["network"] == n]
            for n in ("masked", "sparse")
        }
        sizes = [f"{mean(x['bytes'][n] for x in each) / 1e3:,.0f}" for n in ("dense", "csr64", "csr")]
        print(
            f"| {100 * mean(x['removed'] for x in each):.0f} | "
            + " | ".join([*sizes, spread(times["masked"]), spread(times["sparse"])])
            + " |"
        )


def layer_table(found: dict[str, dict[int, Any]]) -> None:
    each = [row for run in found["iterative"].values() for row in run["layers"]]
    ratios = sorted({row["ratio"] for row in each})
    print(
        "\n| layer alone | weights | "
        + " | ".join(f"-{r:.0%}" for r in ratios)
        + " |\n|---|---|"
        + "---|" * len(ratios)
    )
    some = next(iter(found["iterative"].values()))["levels"][0]["weights_kept"]
    for layer in dict.fromkeys(row["layer"] for row in each):
        cells = [
            spread([100 * row["accuracy"] for row in each if (row["layer"], row["ratio"]) == (layer, r)], 1)
            for r in ratios
        ]
        print(f"| {layer} | {some[layer]:,} | " + " | ".join(cells) + " |")


def unit_points(found: dict[str, dict[int, Any]], name: str) -> list[list[Any]]:
    """The runs of each budget, the smallest share first."""
    keys = sorted((k for k in found if k.startswith(f"{name}-")), key=lambda k: float(k.partition("-")[2]))
    return [list(found[k].values()) for k in keys]


def gone(runs_of_budget: list[Any]) -> float:
    return 100 * mean(1 - x["pruned"]["params"] / x["dense"]["params"] for x in runs_of_budget)


def draw(found: dict[str, dict[int, Any]]) -> None:
    with matplotlib.rc_context({"font.size": 8.5}):
        figure = Figure(figsize=(10.6, 3.6), layout="constrained")
        accuracy, size, time = figure.subplots(1, 3)
        draw_accuracy(accuracy, found)
        draw_size(size, found)
        draw_time(time, found)
        for axes in (accuracy, size, time):
            axes.set_xlabel("weights or parameters removed [%]")
            axes.set_xlim(-2, 102)
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(HERE / "against-ratio.png", dpi=150)


def line(axes: Any, x: list[float], columns: list[list[float]], **how: Any) -> None:
    """Mean over the seeds, with the lowest and the highest as a bar."""
    y = [float(np.mean(c)) for c in columns]
    ends = [(min(c), max(c)) for c in columns]
    bars = np.array([[m - low, high - m] for m, (low, high) in zip(y, ends, strict=True)]).T.clip(min=0.0)
    axes.errorbar(x, y, bars, markersize=3.5, linewidth=1.4, elinewidth=0.8, **how)


def draw_accuracy(axes: Any, found: dict[str, dict[int, Any]]) -> None:
    dense = mean(run["dense"]["accuracy"] for run in found["iterative"].values())
    axes.axhline(100 * dense, color=GREY, linewidth=1, linestyle="--", label="dense")
    for name, colour, field, form, label in (
        ("iterative", BLUE, "accuracy", "o-", "weights, iterative"), ("direct", GREEN, "accuracy", "s-", "weights, direct"),
        ("iterative", BLUE, "accuracy_cut", "o:", "weights, iterative, before training"),
    ):  # fmt: skip
        rows = levels(found.get(name, {}))
        if rows:
            line(
                axes,
                [100 * r for r in rows],
                [[100 * level[field] for level, _ in row] for row in rows.values()],
                fmt=form,
                color=colour,
                label=label,
            )
    for name, colour in (("matrix", ORANGE), ("joint", PURPLE)):
        points = unit_points(found, name)
        if points:
            columns = [[100 * x["pruned"]["accuracy"] for x in p] for p in points]
            line(axes, [gone(p) for p in points], columns, fmt="D-", color=colour, label=UNITS[name])
    axes.set_ylabel("test accuracy [%]")
    axes.set_ylim(97.0, 99.6)
    axes.legend(frameon=False, loc="lower left", fontsize=7.5)


def draw_size(axes: Any, found: dict[str, dict[int, Any]]) -> None:
    rows = levels(found["iterative"])
    x = [100 * r for r in rows]
    for name, label, colour in (
        ("csr64", "CSR, 8-byte indices", GREEN),
        ("coo", "COO", "#b8902a"),
        ("csr", "CSR", BLUE),
    ):
        line(
            axes,
            x,
            [[level["bytes"][name] / 1e6 for level, _ in row] for row in rows.values()],
            fmt="o-",
            color=colour,
            label=label,
        )
    axes.axhline(
        mean(run["dense"]["bytes"] for run in found["iterative"].values()) / 1e6,
        color=GREY,
        linewidth=1,
        linestyle="--",
        label="dense",
    )
    points = unit_points(found, "joint")
    line(
        axes,
        [gone(p) for p in points],
        [[r["file_bytes"] / 1e6 for r in p] for p in points],
        fmt="D-",
        color=PURPLE,
        label="matrix-based, dense",
    )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("file of the weights [MB]")
    axes.legend(frameon=False, fontsize=7.5)


def draw_time(axes: Any, found: dict[str, dict[int, Any]]) -> None:
    rows = levels(found["iterative"])
    axes.axhline(1.0, color=GREY, linewidth=1, linestyle="--", label="dense")
    for name, label, colour in (("masked", "masked in every pass", ORANGE), ("sparse", "torch sparse (CSR)", GREEN)):
        columns = [
            [1 / t["times_faster"] for level, _ in row for t in level["times"] if t["network"] == name]
            for row in rows.values()
        ]
        line(axes, [100 * r for r in rows], columns, fmt="o-", color=colour, label=label)
    points = [p for p in unit_points(found, "joint") if any("bench" in r for r in p)]
    if points:
        columns = [[1 / r["bench"]["times_faster"]["estimate"] for r in p if "bench" in r] for p in points]
        line(axes, [gone(p) for p in points], columns, fmt="D-", color=PURPLE, label="matrix-based")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("run time of one image, dense = 1")
    axes.legend(frameon=False, fontsize=7.5)


if __name__ == "__main__":
    everything = runs()
    weight_table(everything)
    unit_table(everything)
    time_table(everything)
    layer_table(everything)
    draw(everything)
