"""The closing table of a search: the original, the structure that was found, and what TQ made of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def search_table(metrics: Mapping[str, Any], directory: Path, console: Console | None = None) -> None:
    """Print accuracies, counts, AL, FCI, PCI, and where the network is."""
    found, out = metrics["search"], console or Console()
    table = Table(
        title=f"{metrics['model']} on {metrics['data']}, {metrics['method']}, seed {metrics['seed']}: {found['candidates']} candidates in "
        f"{found['steps']} steps, {found['seconds']:.1f} s",
        title_justify="left",
    )  # fmt: skip
    table.add_column("network")
    for name in ("test accuracy", "AL", "parameters", "PCI", "MACs", "FCI"):
        table.add_column(name, justify="right")
    dense = metrics["dense"]
    table.add_row("original", f"{dense['accuracy']:.2%}", "", f"{dense['params']:,}", "", f"{dense['macs']:,}", "")
    for label, key in (("structure", "structured"), ("weights and digits", "tq")):
        if each := found.get(key):
            table.add_row(
                label, f"{each['accuracy']:.2%}", f"{100 * each['AL']:.2f}", f"{each['params']:,}", f"{each['PCI']:.1%}", f"{each['macs']:,}",
                f"{each['FCI']:.1%}",
            )  # fmt: skip
    out.print(table)
    if tq := found.get("tq"):
        digits = "all digits" if tq["digits"] is None else f"{tq['digits']} binary digits"
        out.print(
            f"TQ: threshold {tq['threshold']:g}, {tq['zeros']} of {tq['weights']} weights are zero, {digits}; counts are of what is not zero. "
            f"{tq['file']} has {tq['bytes']:,} bytes ({tq['layout']}), plain storage {tq['plain_bytes']:,}",
            highlight=False,
        )
    out.print(
        f"the network is in {directory / 'pruned'}: easiedge export {directory} --to c", highlight=False, soft_wrap=True
    )
