"""The pictures of ``easiedge bench``: the engines side by side, and where the time goes layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from easiedge.report.pictures import DENSE, KEPT, MUTED

INT8, LOST, GAINED = "#e0913a", "#c0504d", "#7aa874"
COLOURS = {"dense": DENSE, "pruned": KEPT, "pruned int8": INT8}
NAMES = {
    "torch": "torch, eager",
    "torch_compile": "torch.compile",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
}
Row = Mapping[str, Any]


def engines_picture(content: Mapping[str, Any], threads: int, path: Path) -> None:
    """Draw milliseconds an image of each network in each engine, one panel a batch size, into ``path``."""
    rows = [r for r in content["rows"] if r["threads"] == threads and r["engine"] in NAMES]
    batches = sorted({r["batch"] for r in rows})
    engines = [name for name in NAMES if any(r["engine"] == name for r in rows)]
    figure = Figure(figsize=(1.2 + 4.2 * len(batches), 1.6 + 0.75 * len(engines)), layout="constrained")
    for axes, batch in zip(figure.subplots(1, len(batches), squeeze=False)[0], batches, strict=True):
        _engines(axes, [r for r in rows if r["batch"] == batch], engines, batch)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    by_processor = any((r["times_faster"] or {}).get("clock") == "processor" for r in rows)
    note = "\nthe machine was busy: * marks ratios of processor time" if by_processor else ""
    figure.suptitle(f"{threads} thread(s), {content['machine']}{note}".replace("$", r"\$"), fontsize=9)
    figure.savefig(path, dpi=150)


def _engines(axes: Axes, rows: Sequence[Row], engines: Sequence[str], batch: int) -> None:
    kinds = [k for k in COLOURS if any(_kind(r) == k for r in rows)]
    height = 0.8 / len(kinds)
    longest = max(r["median_ms"] for r in rows) / batch
    for i, kind in enumerate(kinds):
        own = {r["engine"]: r for r in rows if _kind(r) == kind}
        places = [e for e, name in enumerate(engines) if name in own]
        y = np.array(places) + (i - (len(kinds) - 1) / 2) * height
        found = [own[engines[e]] for e in places]
        ms = np.array([r["median_ms"] for r in found]) / batch
        ends = np.abs(np.array([[r["p5_ms"], r["p95_ms"]] for r in found]).T / batch - ms)
        axes.barh(y, ms, height * 0.92, color=COLOURS[kind], label=kind)
        axes.errorbar(ms, y + 0.38 * height, xerr=ends, fmt="none", ecolor=MUTED, elinewidth=0.8, capsize=1.5)
        for r, place, value in zip(found, y, ms, strict=True):
            axes.text(
                value + 0.015 * longest,
                place - 0.06 * height,
                f"{value:.3g} ms{_times(r)}",
                va="center",
                fontsize=7,
                color=MUTED,
            )
    axes.set_yticks(range(len(engines)), [NAMES[e] for e in engines], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.4 * longest)
    axes.set_xlabel("ms an image, median and p5 to p95", fontsize=8)
    axes.set_title(f"batch {batch}", fontsize=9)
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _times(row: Row) -> str:
    faster = row["times_faster"]
    return "" if faster is None else f", {faster['estimate']:.1f} x{'*' if faster['clock'] == 'processor' else ''}"


def _kind(row: Row) -> str:
    return str(row["network"]) + (" int8" if row["precision"] == "int8" else "")


def layers_picture(layers: Sequence[Row], content: Mapping[str, Any], path: Path) -> None:
    """Draw milliseconds of each layer, dense and pruned, and what each took beyond what its MACs promised, into ``path``."""
    names = [r["layer"] for r in layers]
    figure = Figure(figsize=(10, max(3.0, 0.2 * len(names) + 1.5)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    y = np.arange(len(names))
    left.barh(y - 0.2, [1e3 * r["dense_ms"] for r in layers], 0.4, color=DENSE, label="dense")
    left.barh(y + 0.2, [1e3 * r["pruned_ms"] for r in layers], 0.4, color=KEPT, label="pruned")
    left.set_yticks(y, names, fontsize=7)
    left.set_xlabel("microseconds of one image", fontsize=8)
    whole = [sum(r[f"{name}_ms"] for r in layers) for name in ("dense", "pruned")]
    left.set_title(f"{whole[0]:.3g} ms and {whole[1]:.3g} ms: {whole[0] / whole[1]:.1f} times faster", fontsize=9)
    left.legend(fontsize=8, frameon=False, loc="lower right")
    lost = np.array([1e3 * r["lost_ms"] for r in layers])
    right.barh(y, lost, 0.6, color=np.where(lost > 0, LOST, GAINED))
    right.axvline(0, color=MUTED, linewidth=0.8)
    most = max(np.abs(lost).max(), 0.1 * max(1e3 * r["dense_ms"] for r in layers))  # little losses look little
    right.set_xlim(-most * 1.1 if (lost < -0.05 * most).any() else -0.1 * most, most * 1.1)
    right.set_xlabel("microseconds beyond what its MACs promised", fontsize=8)
    macs = [sum(r[f"{name}_macs"] for r in layers) for name in ("dense", "pruned")]
    right.set_title(
        f"{macs[0] / macs[1]:.1f} times fewer MACs; not followed: {lost.clip(0).sum() / 1e3:.2g} ms", fontsize=9
    )
    for axes in (left, right):
        axes.tick_params(axis="x", labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    left.invert_yaxis()
    left.set_ylim(len(names) - 0.4, -0.6)
    figure.suptitle(
        f"ONNX Runtime, as it runs the whole network on {content['machine']}".replace("$", r"\$"), fontsize=9
    )
    figure.savefig(path, dpi=150)
