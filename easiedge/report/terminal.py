"""The closing table in the terminal: dense, pruned before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def closing_table(metrics: Mapping[str, Any], directory: Path, console: Console | None = None) -> None:
    """Print accuracy, filters, parameters and MACs of the three networks, and what the budget asked for and got."""
    dense, pruned = metrics["dense"], metrics["pruned"]
    table = Table(
        title=f"{metrics['model']} on {metrics['data']}, method {metrics['method']}, seed {metrics['seed']}",
        title_justify="left",
    )
    table.add_column("network")
    for name in ("test accuracy", "filters", "parameters", "MACs"):
        table.add_column(name, justify="right")
    table.add_row("dense", _percent(dense["accuracy"]), *(_number(dense[k]) for k in ("filters", "params", "macs")))
    table.add_row("pruned, before fine-tuning", _percent(pruned["accuracy_before_finetune"]), *_share(dense, pruned))
    table.add_row("pruned, fine-tuned", _percent(pruned["accuracy"]), *_share(dense, pruned), style="bold")
    out = console or Console()
    out.print(table)
    out.print(budget_table(metrics["budget"], metrics.get("latency", {})))
    if not metrics["budget"]["reached"]:
        out.print("the budget was not reached: the log says why", style="yellow")
    out.print(
        f"the network is in {directory / 'pruned'}, the figures in metrics.json beside it",
        highlight=False,
        soft_wrap=True,
    )


def budget_table(budget: Mapping[str, Any], latency: Mapping[str, Any]) -> Table:
    """What the budget asked for and what came of it."""
    table = Table(box=None, pad_edge=False)
    for name, justify in (("budget", "left"), ("asked", "right"), ("got", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name, value in budget["requested"].items():
        got = budget["achieved"][name.removesuffix("_max")]
        if name.endswith("_removed"):
            table.add_row(name.replace("_", " "), f"at least {value:.2%}", f"{got:.2%}", "")
            continue
        quantity, unit, _ = name.split("_")
        how = ("measured" if "measured_ms" in latency else "predicted") if quantity == "latency" else ""
        unit = unit.replace("mb", "MB")
        table.add_row(quantity, f"at most {value:.4g} {unit}", f"{got:.4g} {unit}", how)
    return table


def dense_line(metrics: Mapping[str, Any], directory: Path, console: Console | None = None) -> None:
    """Print what dense training gave and where its weights are."""
    dense, out = metrics["dense"], console or Console()
    size = f"{_number(dense['params'])} parameters, {_number(dense['macs'])} MACs"
    out.print(
        f"{metrics['model']} on {metrics['data']}: test accuracy {_percent(dense['accuracy'])}, {size}", highlight=False
    )
    out.print(
        f"start from it with weights={directory / 'dense' / 'model.safetensors'}", highlight=False, soft_wrap=True
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def _number(value: float) -> str:
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if value >= size:
            return f"{value / (1e3 if unit == ' k' else size):.2f}{unit}"
    return f"{value:.0f}"


def _share(dense: Mapping[str, Any], pruned: Mapping[str, Any]) -> list[str]:
    return [f"{_number(pruned[k])} ({pruned[k] / dense[k]:.1%})" for k in ("filters", "params", "macs")]
