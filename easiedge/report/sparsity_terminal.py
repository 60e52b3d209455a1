"""The closing tables of ``easiedge sparsify`` in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from easiedge.report.sparsity_record import SparsityRecord


def print_sparsity(found: SparsityRecord, directory: Path, console: Console | None = None) -> None:
    """Print a row for each ratio, and for each layer cut alone where that was asked for."""
    out, dense = console or Console(), found.dense
    title = f"{found.model} on {found.data}, seed {found.seed}: {found.title}; dense {100 * dense['accuracy']:.2f} %"
    out.print(title, highlight=False)
    table = _table("gone", "cut", "trained", "params", "dense kB", "COO kB", "CSR kB")
    timed = list(dict.fromkeys(t.network for level in found.levels for t in level.times))
    for name in timed:
        table.add_column(f"{name} ms", justify="right", no_wrap=True)
    for level in found.levels:
        sizes = (f"{size / 1e3:.0f}" for size in (level.bytes.dense, level.bytes.coo, level.bytes.csr))
        times = {t.network: f"{t.ms:.3g}" for t in level.times}
        table.add_row(
            f"{level.removed:.1%}", f"{100 * level.accuracy_cut:.2f}", f"{100 * level.accuracy:.2f}", f"{level.params:,}", *sizes,
            *(times.get(name, "-") for name in timed),
        )  # fmt: skip
    out.print(table)
    out.print(
        "gone: share of the weights; cut, trained: test accuracy [%] before and after training; params: what removal for real leaves",
        highlight=False,
    )
    if found.layers:
        ratios = sorted({each.ratio for each in found.layers})
        alone = _table("layer alone", *(f"-{r:.0%}" for r in ratios))
        for layer in dict.fromkeys(each.layer for each in found.layers):
            values = {each.ratio: f"{100 * each.accuracy:.1f}" for each in found.layers if each.layer == layer}
            alone.add_row(layer, *(values[r] for r in ratios))
        out.print("validation accuracy [%] with one layer cut, nothing trained", highlight=False)
        out.print(alone)
    out.print(
        f"tables and pictures are in {directory} (sparsity.json, sparsity.csv, sparsity.png)",
        highlight=False,
        soft_wrap=True,
    )


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
