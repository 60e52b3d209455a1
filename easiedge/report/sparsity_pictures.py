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
    names = dict.fromkeys(t.network for level in found.levels for t in level.times)
    for number, name in enumerate(names):
        points = [(100 * level.removed, t.ms) for level in found.levels for t in level.times if t.network == name]
        axes.plot(
            *zip(*points, strict=True),
            "o-",
            markersize=3.5,
            color=MUTED if name == "dense" else COLOURS[number],
            label=name,
        )
    axes.set_ylim(bottom=0)
    axes.set_ylabel(
        f"one run [ms], {found.levels[0].times[0].batch} image{'s' if found.levels[0].times[0].batch > 1 else ''}"
    )
    axes.legend(frameon=False)
