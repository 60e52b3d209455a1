"""What ``easiedge bench`` prints: a row for each network in each engine, and what is worth knowing about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

NOISY, MOST_LOST = 0.1, 3
Row = Mapping[str, Any]


def bench_tables(
    content: Mapping[str, Any], rows: Sequence[Row], threads: int, folder: Path, console: Console | None = None
) -> None:
    """Print the rows of this sitting; ``content`` is bench.json's."""
    out = console or Console()
    networks, sitting = content["networks"], content["sittings"][str(threads)]
    cores = f"on core {', '.join(map(str, sitting['cores']))}" if sitting["cores"] else "not pinned"
    shape = "x".join(map(str, content["input_shape"]))
    columns = _columns(rows, out.width)
    table = Table(
        title=f"images of {shape}, {threads} thread(s) {cores}, {content['machine']}", title_justify="left", box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0), show_edge=False,
    )  # fmt: skip
    for name in ("engine", "batch", "network", *columns):
        table.add_column(name, no_wrap=True, justify="left" if name in ("engine", "network") else "right")
    last: Any = None
    for row in rows:
        key = (row["engine"], row["batch"])
        if last is not None and key != last:
            table.add_section()
        table.add_row(*_cells(row, key != last, columns), style=None if row["network"] == "dense" else "bold")
        last = key
    out.print(table)
    dense, pruned = networks["dense"], networks["pruned"]
    out.print(
        f"MACs {dense['macs'] / pruned['macs']:.2f} times fewer, parameters {dense['params'] / pruned['params']:.2f} times; dense network: "
        f"{dense['source']}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if said := beside_eager(rows):
        out.print(said, highlight=False, soft_wrap=True)
    if lost := most_lost(content["layers"].get(str(threads), ())):
        out.print(f"layers that did not follow their MACs: {lost}", highlight=False, soft_wrap=True)
    out.print(
        f"of peak: float32 MACs a second as a share of {sitting['gmacs_per_s']:.1f} billion, the fastest product or convolution here, measured now",
        highlight=False, soft_wrap=True, style="dim",
    )  # fmt: skip
    for name, why in content["reasons"].items():
        out.print(f"not measured: {name}: {why}", style="yellow", highlight=False, soft_wrap=True, markup=False)
    drift = max(row["drift"] for row in rows)
    if drift > NOISY:
        out.print(
            f"the machine was busy: its speed moved by up to {drift:.0%} within a measurement; ratios were taken in turns and hold better than ms",
            style="yellow", highlight=False, soft_wrap=True,
        )  # fmt: skip
    out.print(f"bench.json and the pictures are in {folder}", highlight=False, soft_wrap=True, markup=False)


def _columns(rows: Sequence[Row], width: int) -> list[str]:
    """Figures for which there is room."""
    known = [name for name in FIGURES if name != "mJ/image" or any(r["joules_per_image"] is not None for r in rows)]
    return [name for name in known if name in ALWAYS] if width < WIDE else known


def _cells(row: Row, first: bool, columns: Sequence[str]) -> list[str]:
    name = row["network"] + (" int8" if row["precision"] == "int8" else "")
    start = [row["engine"], str(row["batch"])] if first else ["", ""]
    return [*start, name, *(FIGURES[column](row) for column in columns)]


def _faster(row: Row) -> str:
    faster = row["times_faster"]
    return "" if faster is None else f"{faster['estimate']:.2f} [{faster['low']:.2f}, {faster['high']:.2f}]"


def _millijoules(row: Row) -> str:
    return "-" if row["joules_per_image"] is None else f"{1e3 * row['joules_per_image']:.2f}"


FIGURES: dict[str, Callable[[Row], str]] = {
    "ms": lambda r: f"{r['median_ms']:.3g}",
    "p5 - p95": lambda r: f"{r['p5_ms']:.3g} - {r['p95_ms']:.3g}",
    "times faster": _faster,
    "images/s": lambda r: f"{r['images_per_s']:,.0f}",
    "peak MB": lambda r: "-" if r["peak_mb"] is None else f"{r['peak_mb']:.1f}",
    "file MB": lambda r: f"{r['file_bytes'] / 1e6:.2f}",
    "of peak": lambda r: f"{r['share_of_peak']:.0%}",
    "mJ/image": _millijoules,
}
ALWAYS, WIDE = ("ms", "times faster", "peak MB", "file MB"), 108


def beside_eager(rows: Sequence[Row]) -> str:
    """How many times faster each engine's pruned network is than the dense one in eager torch, batch 1; empty where not measured."""
    one = [r for r in rows if r["batch"] == 1]
    eager = next((r["median_ms"] for r in one if r["engine"] == "torch" and r["network"] == "dense"), None)
    pruned = [r for r in one if r["network"] == "pruned" and r["precision"] == "float32"]
    if eager is None or not pruned:
        return ""
    said = ", ".join(f"{r['engine']} {eager / r['median_ms']:.1f}" for r in pruned)
    return f"times faster than the dense network in eager torch, batch 1: {said}"


def most_lost(layers: Sequence[Row]) -> str:
    """The layers that lost most, in words; empty where none lost a twentieth of the pruned network's time."""
    whole = sum(row["pruned_ms"] for row in layers)
    worst = sorted((r for r in layers if r["lost_ms"] > 0.05 * whole), key=lambda r: -r["lost_ms"])[:MOST_LOST]
    return ", ".join(
        f"{r['layer']} ({r['dense_macs'] / max(r['pruned_macs'], 1):.1f} times fewer MACs, "
        f"{r['dense_ms'] / max(r['pruned_ms'], 1e-9):.1f} times faster)"
        for r in worst
    )
