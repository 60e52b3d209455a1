"""The closing table of ``easiedge sensitivity`` in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from easiedge.report.sensitivity_record import GroupCurve, LayerSensitivity
from easiedge.training.progress import clock

SHOWN = 5  # of the most and of the least sensitive groups
COLUMNS = 5  # shares beside each other on 80 columns
POINT = 0.01  # of accuracy, that a layer may lose and still count as bearing it


def print_sensitivity(found: LayerSensitivity, directory: Path, console: Console | None = None) -> None:
    """Print the most and the least sensitive groups, and what this cost beside one global scoring."""
    out, lost = console or Console(), found.lost()
    ranked = sorted(found.groups, key=lambda g: -lost[g.name])
    if len(ranked) <= 2 * SHOWN:
        out.print(f"{_title(found)}: layers, the most sensitive first", highlight=False)
        out.print(_table(found, ranked))
    else:
        out.print(f"{_title(found)}: the {SHOWN} most sensitive of {len(ranked)} layers", highlight=False)
        out.print(_table(found, ranked[:SHOWN]))
        out.print(f"the {SHOWN} least sensitive")
        out.print(_table(found, ranked[-SHOWN:]))
    out.print(
        "lost: points of accuracy, mean over the shares; bears: share removed for at most one point; then accuracy [%]",
        highlight=False,
    )
    out.print(cost_line(found), highlight=False, soft_wrap=True)
    out.print(
        f"pictures and tables are in {directory} (sensitivity_curves, sensitivity_heat_map, sensitivity.json, sensitivity.csv)",
        highlight=False,
        soft_wrap=True,
    )


def cost_line(found: LayerSensitivity) -> str:
    """What the analysis took beside the scoring that a global choice needs."""
    ratio = found.seconds / found.scoring_seconds if found.scoring_seconds > 0 else 0.0
    times = f", {ratio:,.1f} times as long as" if ratio >= 1.05 else ";"
    return (
        f"{len(found.groups) * len(found.shares)} accuracies took {_seconds(found.seconds)}{times} one global scoring of all "
        f"{sum(g.size for g in found.groups):,} units, {_seconds(found.scoring_seconds)}"
    )


def bearable(found: LayerSensitivity, group: GroupCurve) -> float:
    """The largest share up to which every share costs the group at most one point of accuracy; 0 if the first costs more."""
    share = 0.0
    for removed, accuracy in zip(group.removed, group.accuracy, strict=True):
        if found.dense - accuracy > POINT + 1e-9:
            break
        share = removed / group.size
    return share


def _title(found: LayerSensitivity) -> str:
    split = "validation" if found.split == "val" else found.split
    return f"{found.model} on {found.data}, dense {100 * found.dense:.1f} % on {found.images} {split} images"


def _table(found: LayerSensitivity, groups: Sequence[GroupCurve]) -> Table:
    columns = _spread(len(found.shares))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("layer", overflow="fold")
    for name in ("units", "lost", "bears"):
        table.add_column(name, justify="right", no_wrap=True)
    for i in columns:
        table.add_column(f"-{found.shares[i]:.0%}", justify="right", no_wrap=True)
    lost = found.lost()
    for g in groups:
        cells = (f"{100 * g.accuracy[i]:.1f}" for i in columns)
        table.add_row(g.name, str(g.size), f"{100 * lost[g.name]:.1f}", f"{bearable(found, g):.0%}", *cells)
    return table


def _spread(count: int) -> list[int]:
    """At most `COLUMNS` of so many positions, the first and the last among them."""
    if count <= COLUMNS:
        return list(range(count))
    return sorted({round(i * (count - 1) / (COLUMNS - 1)) for i in range(COLUMNS)})


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s" if value < 100 else clock(value)
