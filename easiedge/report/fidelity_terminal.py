"""The closing tables of ``easiedge score`` in the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table


def fidelity_tables(record: Mapping[str, Any], directory: Path, console: Console | None = None) -> None:
    """Print agreement with the oracle, then accuracies by share removed."""
    out = console or Console()
    out.print(_criteria(record))
    for scope, compensation in dict.fromkeys((r["scope"], r["compensation"]) for r in record["curves"]):
        out.print(_curves(record, scope, compensation))
    for label, reason in record["refused"].items():
        out.print(f"{label} was left out: {reason}", style="yellow", highlight=False)
    out.print(
        f"tables and pictures are in {directory} (fidelity.json, criteria.csv, layers.csv, curves.csv, scatter.png, curves.png)",
        highlight=False,
        soft_wrap=True,
    )


def _criteria(record: Mapping[str, Any]) -> Table:
    rows = sorted(
        record["criteria"], key=lambda r: -_known(r.get("spearman"), 2.0 if "oracle" in r["criterion"] else -2.0)
    )
    oracle = record["oracle"]
    about = f" ({int(oracle['units'])} of {record['units']} units measured)" if oracle else ""
    title = f"{record['model']} on {record['data']}, {record['images']} images: agreement with the exact information gain{about}"
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        caption="rho Spearman, tau Kendall, 20 % and 50 % overlap of the least important, s seconds, runs passes",
        caption_justify="left",
    )
    table.add_column("criterion", no_wrap=True)
    for name in ("rho", "95 %", "tau", "20 %", "50 %", "s", "runs"):
        table.add_column(name, justify="right", no_wrap=True)
    for r in rows:
        low, high = (_figure(r.get(f"spearman_{edge}")).replace("0.", ".") for edge in ("low", "high"))
        spread = f"{low} {high}" if "spearman_low" in r else "-"
        table.add_row(
            r["criterion"], _figure(r.get("spearman")), spread, _figure(r.get("kendall")), _share(r.get("overlap_0.2")),
            _share(r.get("overlap_0.5")), f"{r['seconds']:.1f}", str(r["passes"]),
        )  # fmt: skip
    return table


def _curves(record: Mapping[str, Any], scope: str, compensation: str) -> Table:
    rows = [r for r in record["curves"] if (r["scope"], r["compensation"]) == (scope, compensation)]
    shares = sorted({r["removed"] for r in rows})
    refit = ", refitted in closed form" if compensation == "least_squares" else ""
    title = f"accuracy [%] without fine-tuning, {scope}{refit}; dense {100 * record['dense_accuracy']:.1f}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("criterion", no_wrap=True)
    for share in shares:
        table.add_column(f"-{share:.0%}", justify="right")
    for label in _best_first(rows):
        table.add_row(label, *(_cell(rows, label, share) for share in shares))
    return table


def _best_first(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    sums: dict[str, float] = {}
    for r in rows:
        sums[r["criterion"]] = sums.get(r["criterion"], 0.0) + r["accuracy"]
    return sorted(sums, key=lambda k: -sums[k])


def _cell(rows: Sequence[Mapping[str, Any]], label: str, share: float) -> str:
    for r in rows:
        if r["criterion"] == label and r["removed"] == share:
            text = f"{100 * r['accuracy']:.1f}"
            return f"[bold]{text}[/bold]" if r["best"] == label else text
    return "-"


def _known(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or math.isnan(value) else value


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
