"""What ``easiedge classifiers`` found, as a value, as classifiers.json and classifiers.csv, and as a table in the terminal."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from easiedge.atomic import write_atomically
from easiedge.plain_text import plain
from easiedge.plain_values import finite

KIND = "classifiers"


@dataclass(frozen=True)
class ClassifierRow:
    """One classifier, or the network itself.

    Attributes:
        name: short.
        words: for people.
        setting, value: chosen on validation images; empty and None for the network.
        val_accuracy, test_accuracy: in [0, 1].
        megabytes: of the saved network and classifier together, in MB of 10^6 bytes.
        seconds: for all test images, features included; the median over rounds in which all take turns.
        fit_seconds: to fit all values of the setting.
        converged: False if the solver was stopped at its limit.
    """

    name: str
    words: str
    setting: str
    value: float | None
    val_accuracy: float | None
    test_accuracy: float
    megabytes: float
    seconds: float
    fit_seconds: float
    converged: bool


@dataclass(frozen=True)
class Classifiers:
    """All rows of one run.

    Attributes:
        layer: whose input the features are.
        features: how many.
        train_images, test_images: how many.
    """

    model: str
    data: str
    seed: int
    layer: str
    features: int
    train_images: int
    test_images: int
    rows: tuple[ClassifierRow, ...]


def write_classifiers(found: Classifiers, directory: Path) -> None:
    """``classifiers.json`` and ``classifiers.csv``."""
    record = {"schema": 1, "kind": KIND, **asdict(found)}
    write_atomically(directory / "classifiers.json", json.dumps(finite(record), indent=1, allow_nan=False) + "\n")
    out = io.StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(ClassifierRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in found.rows)
    write_atomically(directory / "classifiers.csv", out.getvalue())


def print_classifiers(found: Classifiers, directory: Path, console: Console | None = None) -> None:
    """The rows, and where they are."""
    out = console or Console()
    about = f"{found.model} on {found.data}: {found.features} features before {found.layer}, {found.train_images} training and {found.test_images} test images"
    out.print(plain(about), markup=False, highlight=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("classifier", overflow="fold")
    for head in ("chosen", "accuracy [%]", "size [MB]", "time [s]"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in found.rows:
        chosen = "" if row.value is None else f"{row.setting} = {row.value:g}"
        table.add_row(row.words, chosen, f"{100 * row.test_accuracy:.2f}", f"{row.megabytes:.2f}", f"{row.seconds:.2f}")
    out.print(table)
    for row in found.rows:
        if not row.converged:
            out.print(f"{row.words}: its solver was stopped before it had converged", style="yellow", highlight=False)
    out.print(
        plain(f"classifiers.json and classifiers.csv are in {directory}"), markup=False, highlight=False, soft_wrap=True
    )
