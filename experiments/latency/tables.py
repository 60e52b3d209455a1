"""The tables and pictures of README.md from results/: each network's bench.json, and the widths.

python experiments/latency/tables.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from easiedge.report.bench_picture import engines_picture, layers_picture

HERE = Path(__file__).parent
NETWORKS = ("vgg16", "resnet56", "resnet18", "mobilenet_v2")
ENGINES = {
    "torch": "torch, eager",
    "torch_compile": "torch.compile",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
}


def times_table(name: str, content: Mapping[str, Any]) -> list[str]:
    """A row for each engine and batch size: milliseconds of both networks, their ratio beside that of the MACs, memory and size."""
    macs = content["networks"]["dense"]["macs"] / content["networks"]["pruned"]["macs"]
    lines = [
        f"**{name}**: {macs:.2f} times fewer MACs, {content['networks']['dense']['params'] / content['networks']['pruned']['params']:.2f} times fewer parameters",
        "",
        "| engine | batch | dense [ms] | pruned [ms] | times faster | of the MACs ratio | pruned: of peak | peak MB, dense and pruned | int8 [ms] | int8, times faster |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows = {(r["engine"], r["batch"], r["network"], r["precision"]): r for r in content["rows"]}
    for engine, batch in sorted({k[:2] for k in rows}, key=lambda k: (list(ENGINES).index(k[0]), k[1])):
        dense, pruned = (rows[engine, batch, n, "float32"] for n in ("dense", "pruned"))
        int8, faster = rows.get((engine, batch, "pruned", "int8")), pruned["times_faster"]
        memory = "-" if pruned["peak_mb"] is None else f"{dense['peak_mb']:.0f}, {pruned['peak_mb']:.0f}"
        small = ("", "") if int8 is None else (_ms(int8), f"{int8['times_faster']['estimate']:.1f}")
        lines.append(
            f"| {ENGINES[engine]} | {batch} | {_ms(dense)} | {_ms(pruned)} | **{faster['estimate']:.2f}** ({faster['low']:.2f} to {faster['high']:.2f})"
            f"{'*' if faster['clock'] == 'processor' else ''} | {faster['estimate'] / macs:.0%} | {pruned['share_of_peak']:.0%} | {memory} | {small[0]} | {small[1]} |"
        )
    return [*lines, ""]


def _ms(row: Mapping[str, Any]) -> str:
    return f"{row['median_ms']:.3g} ({row['p5_ms']:.3g} to {row['p95_ms']:.3g})"


def widths_table(found: list[Mapping[str, Any]]) -> list[str]:
    """Times faster over the MACs ratio, by round_to."""
    grains = list(dict.fromkeys(g for each in found for g in each["macs"] if g != "dense"))
    lines = [
        "| network | engine | " + " | ".join(f"round_to={g}" for g in grains) + " |",
        "|---" * (2 + len(grains)) + "|",
    ]
    for each in found:
        macs = {g: each["macs"]["dense"] / m for g, m in each["macs"].items() if g != "dense"}
        cells = [f"{macs[g]:.2f}" if g in macs else "-" for g in grains]
        lines.append(f"| {each['network']} | MACs, times fewer | " + " | ".join(cells) + " |")
        for engine, times in each["engines"].items():
            faster = {g: times[g]["times_faster"]["estimate"] for g in macs}
            cells = [f"{faster[g]:.2f} ({faster[g] / macs[g]:.0%})" if g in macs else "-" for g in grains]
            lines.append(f"| | {ENGINES[engine]}, times faster | " + " | ".join(cells) + " |")
        if accuracy := each["accuracy"]:
            cells = [f"{100 * accuracy[g]:.1f}" if g in accuracy else "-" for g in grains]
            lines.append(
                f"| | accuracy without training [%], dense {100 * accuracy['dense']:.1f} | " + " | ".join(cells) + " |"
            )
    return [*lines, ""]


def widths_picture(found: list[Mapping[str, Any]], path: Path) -> None:
    """Share of the MACs ratio that becomes time, by round_to, a panel for each network."""
    figure = Figure(figsize=(3.3 * len(found), 3.0), layout="constrained")
    for axes, each in zip(figure.subplots(1, len(found), sharey=True, squeeze=False)[0], found, strict=True):
        grains = [g for g in each["macs"] if g != "dense"]
        for engine, times in each["engines"].items():
            y = [100 * times[g]["times_faster"]["estimate"] / (each["macs"]["dense"] / each["macs"][g]) for g in grains]
            axes.plot(range(len(grains)), y, "o-", markersize=4, label=ENGINES[engine])
        axes.axhline(100, color="#5b6773", linewidth=0.8, linestyle=":")
        axes.set_xticks(range(len(grains)), grains)
        axes.set_xlabel("round_to", fontsize=8)
        axes.set_title(each["network"], fontsize=9)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("times faster, of times fewer MACs [%]", fontsize=8)
    figure.axes[0].legend(fontsize=7, frameon=False)
    figure.axes[0].set_ylim(bottom=0)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Print the tables; draw the pictures beside README.md."""
    for name in NETWORKS:
        path = HERE / "results" / f"{name}.json"
        if path.exists():
            content = json.loads(path.read_text(encoding="utf-8"))
            print("\n".join(times_table(name, content)))
            engines_picture(content, 1, HERE / f"{name}-engines.png")
            layers_picture(content["layers"]["1"], content, HERE / f"{name}-layers.png")
    found = [
        json.loads(p.read_text(encoding="utf-8"))
        for n in NETWORKS
        if (p := HERE / "results" / f"widths-{n}.json").exists()
    ]
    if found:
        print("\n".join(widths_table(found)))
        widths_picture(found, HERE / "widths.png")


if __name__ == "__main__":
    main()
