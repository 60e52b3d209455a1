"""The picture of ``easiedge sparsify``: accuracy, file and run time against the share of weights that has gone."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from easiedge.report.fidelity_pictures import COLOURS
from easiedge.report.sparsity_record import SparsityRecord

MUTED = "#5b6773"
FORMATS = ("png", "svg")


def draw_sparsity(found: SparsityRecord, directory: Path) -> list[Path]:
    """``sparsity.png`` and ``.svg``; returns the path of the PNG."""
    timed = any(level.times for level in found.levels)
    with matplotlib.rc_context({"font.size": 8.5, "axes.titlesize": 9.5}):
        figure = Figure(figsize=(10.2 if timed else 7.0, 3.1), layout="constrained")
        axes = figure.subplots(1, 3 if timed else 2)
        _accuracy(axes[0], found)
        _bytes(axes[1], found)
        if timed:
            _times(axes[2], found)
        for each in axes:
            each.set_xlabel("weights removed [%]")
            each.set_xlim(-2, 102)
            each.spines[["top", "right"]].set_visible(False)
        figure.suptitle(f"{found.model} on {found.data}: {found.title}", fontsize=9.5)
        for form in FORMATS:
            figure.savefig(directory / f"sparsity.{form}", dpi=150)
    return [directory / "sparsity.png"]


def _accuracy(axes: Axes, found: SparsityRecord) -> None:
    x = [100 * level.removed for level in found.levels]
    axes.axhline(100 * found.dense["accuracy"], color=MUTED, linewidth=1, linestyle="--")
    axes.plot(
        x,
        [100 * level.accuracy for level in found.levels],
        "o-",
        color=COLOURS[0],
        markersize=3.5,
        label="trained again",
    )
    axes.plot(
        x,
        [100 * level.accuracy_cut for level in found.levels],
        "o:",
        color=COLOURS[1],
        markersize=3.5,
        label="right after the cut",
    )
    axes.set_ylabel("test accuracy [%]")
    axes.legend(frameon=False, loc="lower left")


def _bytes(axes: Axes, found: SparsityRecord) -> None:
    x = [100 * level.removed for level in found.levels]
    for name, label, colour in (
        ("csr64", "CSR, 8-byte indices", COLOURS[3]),
        ("coo", "COO", COLOURS[1]),
        ("csr", "CSR", COLOURS[0]),
    ):
        axes.plot(
            x,
            [getattr(level.bytes, name) / 1e6 for level in found.levels],
            "o-",
            color=colour,
            markersize=3.5,
            label=label,
        )
    axes.axhline(found.dense["bytes"] / 1e6, color=MUTED, linewidth=1, linestyle="--", label="dense")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("file [MB]")
    axes.legend(frameon=False)


def _times(axes: Axes, found: SparsityRecord) -> None:
    """Relative to the dense network in the same rounds, which the speed of the machine at the time leaves alone."""
    names = dict.fromkeys(t.network for level in found.levels for t in level.times if t.network != "dense")
    axes.axhline(1.0, color=MUTED, linewidth=1, linestyle="--", label="dense")
    for number, name in enumerate(names):
        rows = [(100 * level.removed, t) for level in found.levels for t in level.times if t.network == name]
        x, y = [at for at, _ in rows], [1 / t.times_faster for _, t in rows]
        spread = [
            [v - 1 / t.high for v, (_, t) in zip(y, rows, strict=True)],
            [1 / t.low - v for v, (_, t) in zip(y, rows, strict=True)],
        ]
        axes.errorbar(
            x, y, spread, fmt="o-", markersize=3.5, linewidth=1.5, elinewidth=0.8, color=COLOURS[number], label=name
        )
    axes.set_ylim(bottom=0)
    batch = found.levels[0].times[0].batch
    axes.set_ylabel(f"run time, dense = 1 ({batch} image{'s' if batch > 1 else ''})")
    axes.legend(frameon=False)
