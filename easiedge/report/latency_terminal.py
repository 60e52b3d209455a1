"""The closing table of ``easiedge latency`` in the terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from easiedge.deploy.latency.table import LatencyTable

NOISY = 0.1
ROWS = 12


def heaviest(table: LatencyTable) -> list[tuple[str, float, int]]:
    """Kinds of layers, milliseconds of all their layers in the dense network, and their number; the heaviest first."""
    found: dict[str, tuple[float, int]] = {}
    for kind, (inputs, outputs) in zip(table.kinds, table.dense.astype(np.float64), strict=True):
        ms, layers = found.get(kind, (0.0, 0))
        found[kind] = ms + table.factor * float(table.surfaces[kind].ms(inputs, outputs)), layers + 1
    return sorted(((kind, ms, layers) for kind, (ms, layers) in found.items()), key=lambda row: -row[1])


def latency_tables(table: LatencyTable, file: Path, picture: Path, console: Console | None = None) -> None:
    """Print where the dense network's time goes, which widths are fast, and how well the table predicts."""
    out, setting, quality = console or Console(), table.setting, table.quality
    shape = "x".join(str(s) for s in table.input_shape[1:])
    shown = Table(
        title=f"{quality.dense_ms:.2f} ms an image of {shape}: {setting.engine} {setting.version}, {setting.threads} thread(s), {setting.machine}",
        title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False,
        caption="share of the dense network's time; fast: widths that the engine prefers", caption_justify="left",
    )  # fmt: skip
    shown.add_column("layers")
    for name in ("number", "ms", "share", "fast"):
        shown.add_column(name, justify="right", no_wrap=True)
    rows = heaviest(table)
    weights = table.factor * float(table.streaming.ms(np.array(table.dense_mb)))
    total = sum(ms for _, ms, _ in rows) + weights + table.overhead_ms
    for kind, ms, layers in rows[:ROWS]:
        fast = ", ".join(f"x {number}" for number in sorted(set(table.surfaces[kind].form.alignment) - {1}))
        shown.add_row(kind, str(layers), f"{ms:.3f}", f"{ms / total:.1%}", fast or "any")
    if len(rows) > ROWS:
        rest = sum(ms for _, ms, _ in rows[ROWS:])
        shown.add_row(
            f"{len(rows) - ROWS} other kinds",
            str(sum(n for *_, n in rows[ROWS:])),
            f"{rest:.3f}",
            f"{rest / total:.1%}",
            "",
        )
    if weights:
        shown.add_row("weights on their way from memory", "", f"{weights:.3f}", f"{weights / total:.1%}", "")
    shown.add_row("between layers", "", f"{table.overhead_ms:.3f}", f"{table.overhead_ms / total:.1%}", "")
    out.print(shown)
    out.print(
        f"{quality.networks} networks, {quality.repetitions} runs of each by turns with the dense one, which took between "
        f"{quality.fastest:.2f} and {quality.slowest:.2f} times its {quality.dense_ms:.2f} ms (taken out); left out in turns, they are "
        f"predicted to {quality.error_median:.1%} in the median and {quality.error_worst:.1%} at worst",
        highlight=False,
    )
    if quality.spread > NOISY:
        out.print(
            f"the machine was busy: a network's times spread by {quality.spread:.0%}; measure again when nothing else runs",
            style="yellow",
        )
    out.print(f"the table is in {file}, the picture in {picture.name} beside it", highlight=False, soft_wrap=True)
