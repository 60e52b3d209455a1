"""What ``easiedge bench`` prints: a row for each network in each engine, and what is worth knowing about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from easiedge.plain_text import plain

BUSY, MOST_LOST = 0.05, 3
BLOCKED, GRAIN, BEHIND = (
    ("onnxruntime", "openvino"),
    16,
    0.75,
)  # engines that compute channels in blocks (experiments/latency)
Row = Mapping[str, Any]


def bench_tables(
    content: Mapping[str, Any], rows: Sequence[Row], threads: int, folder: Path, console: Console | None = None
) -> None:
    """Print the rows of this sitting; ``content`` is bench.json's."""
    out = console or Console()
    columns = _columns(rows, out.width)
    out.print(_heading(content, threads), markup=False, highlight=False, soft_wrap=True)
    out.print(_table(rows, columns))
    for line in _facts(content, rows, threads, columns):
        out.print(plain(line), markup=False, highlight=False, soft_wrap=True)
    for name, why in content["reasons"].items():
        out.print(plain(f"not measured: {name}: {why}"), style="yellow", markup=False, highlight=False, soft_wrap=True)
    if said := busy(rows):
        out.print(said, style="yellow", markup=False, highlight=False, soft_wrap=True)
    out.print(plain(f"bench.json and the pictures are in {folder}"), markup=False, highlight=False, soft_wrap=True)


def _heading(content: Mapping[str, Any], threads: int) -> str:
    cores = content["sittings"][str(threads)]["cores"]
    where = f"on core {', '.join(map(str, cores))}" if cores else "not pinned"
    return f"images of {'x'.join(map(str, content['input_shape']))}, {threads} thread(s) {where}, {content['machine']}"


def _table(rows: Sequence[Row], columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for name in ("engine", "batch", "network", *columns):
        table.add_column(name, no_wrap=True, justify="left" if name in ("engine", "network") else "right")
    last: Any = None
    for row in rows:
        key = (row["engine"], row["batch"])
        if last is not None and key != last:
            table.add_section()
        table.add_row(*_cells(row, key != last, columns), style=None if row["network"] == "dense" else "bold")
        last = key
    return table


def _facts(content: Mapping[str, Any], rows: Sequence[Row], threads: int, columns: Sequence[str]) -> Iterator[str]:
    dense, pruned, sitting = (
        content["networks"]["dense"],
        content["networks"]["pruned"],
        content["sittings"][str(threads)],
    )
    yield (
        f"MACs {dense['macs'] / max(pruned['macs'], 1):.2f} times fewer, parameters {dense['params'] / max(pruned['params'], 1):.2f} times; "
        f"dense network: {dense['source']}"
    )
    if said := beside_eager(rows):
        yield said
    if lost := most_lost(content["layers"].get(str(threads), ())):
        yield f"layers that did not follow their MACs: {lost}"
    if advice := width_advice(content, rows):
        yield advice
    if "of peak" in columns:
        yield f"of peak: of {sitting['gmacs_per_s']:.1f} billion float32 MACs a second, the fastest product or convolution here, measured now"
    if "mJ/image" in columns:
        yield f"mJ/image: of the whole machine, which takes {sitting['idle_watts']:.1f} W when it does nothing"
    if any(row["peak_mb"] is None for row in rows) and "peak MB" in columns:
        yield "peak MB: above the engine itself; - where the system does not tell, and where the engine compiles"


def width_advice(content: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """What may help where an engine got less than three quarters of the MACs' ratio and widths are off what it likes; else empty."""
    networks = content["networks"]
    macs = networks["dense"]["macs"] / max(networks["pruned"]["macs"], 1)
    behind = [
        r
        for r in rows
        if r["times_faster"] and r["precision"] == "float32" and r["engine"] in BLOCKED and r["batch"] == 1
    ]
    behind = [r for r in behind if r["times_faster"]["estimate"] < BEHIND * macs]
    off = {name: sum(w % GRAIN != 0 for w in network["widths"]) for name, network in networks.items()}
    if not behind or off["pruned"] <= off["dense"]:
        return ""
    slow = " and ".join(r["engine"] for r in behind)
    return (
        f"{off['pruned']} of {len(networks['pruned']['widths'])} convolutions have widths that are no multiple of {GRAIN} (dense: {off['dense']}), which "
        f"{slow} may not like: projection.round_to={GRAIN} keeps them even"
    )


def busy(rows: Sequence[Row]) -> str:
    """What has to be said where other processes took the cores away; empty where they did not."""
    most = max((row["disturbed"] for row in rows), default=0.0)
    if most <= BUSY:
        return ""
    by_processor = any((row["times_faster"] or {}).get("clock") == "processor" for row in rows)
    said = f"the machine was busy: other processes interrupted up to {most:.0%} of a network's runs, which are left out"
    return said + (
        "; where hardly a run was left, ms are too high and * marks ratios of processor time" if by_processor else ""
    )


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
    if faster is None:
        return ""
    mark = "*" if faster["clock"] == "processor" else ""
    return f"{mark}{faster['estimate']:.2f} ({faster['low']:.2f} - {faster['high']:.2f})"


def _millijoules(row: Row) -> str:
    return "-" if row["joules_per_image"] is None else f"{1e3 * row['joules_per_image']:.2f}"


FIGURES: dict[str, Callable[[Row], str]] = {
    "ms": lambda r: f"{r['median_ms']:.3g}",
    "p5 - p95": lambda r: f"{r['p5_ms']:.3g} - {r['p95_ms']:.3g}",
    "times faster": _faster,
    "images/s": lambda r: f"{r['images_per_s']:,.0f}",
    "peak MB": lambda r: "-" if r["peak_mb"] is None else f"{r['peak_mb']:.1f}",
    "file MB": lambda r: f"{r['file_bytes'] / 1e6:.2f}",
    "of peak": lambda r: f"{r['share_of_peak']:.0%}" if r["precision"] == "float32" else "-",
    "mJ/image": _millijoules,
}
ALWAYS, WIDE = ("ms", "p5 - p95", "times faster"), 108


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
