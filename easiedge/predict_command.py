"""``easiedge predict``: its options, and what it prints."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from easiedge.argument_parser import ArgumentParser
from easiedge.errors import DataError, EasiEdgeError
from easiedge.plain_text import plain

if TYPE_CHECKING:
    from easiedge.predict import Prediction

USAGE = "easiedge predict RUN_DIR IMAGE [IMAGE ...] [--top N] [--json]"


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "easiedge predict",
        USAGE,
        "What a run's network says to image files: by RUN_DIR/export/pruned.onnx where easiedge export wrote it, else by the "
        "artifact. Files that cannot be read are named and skipped; exit status 2 when none can.",
    )
    parser.add_argument("run", metavar="RUN_DIR", type=Path, help="a run directory, or the folder of an artifact")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files; resized and normalised as in training")
    parser.add_argument("--top", type=int, default=1, metavar="N", help="classes to name for each image (default 1)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--engine", default="auto", help="auto, onnx or torch (default auto)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of the engine (default 1)")
    parser.add_argument(
        "--network", choices=("pruned", "dense"), default="pruned", help="which network of the run (default pruned)"
    )
    return parser


def predict_command(arguments: Sequence[str]) -> int:
    """Predict and print; what was skipped goes to stderr.

    Raises:
        EasiEdgeError: the request is wrong.
        DataError: none of the images can be read.
    """
    options = _parser().parse_args(arguments)
    if options.top < 1:
        raise EasiEdgeError(f"--top {options.top} must be at least 1")
    from easiedge.predict import predict, predictor

    ready = predictor(options.run, options.engine, options.threads, options.network)
    found, skipped = predict(ready, options.images, options.top)
    if not found:
        rest = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
        raise DataError(f"none of the images can be read: {skipped[0]}{rest}")
    if ready.note:
        print(f"easiedge: {plain(ready.note)}", file=sys.stderr)
    for reason in skipped:
        print(f"easiedge: skipped: {plain(reason)}", file=sys.stderr)
    if options.json:
        print(
            json.dumps(
                {"engine": ready.engine, "predictions": [asdict(p) for p in found], "skipped": skipped}, indent=1
            )
        )
        return 0
    _table(found, ready.engine)
    return 0


def _table(found: Sequence[Prediction], engine: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("image", overflow="fold")
    table.add_column("label")
    table.add_column("probability", justify="right")
    table.add_column("ms", justify="right")
    for each in found:
        for place, (label, probability) in enumerate(zip(each.labels, each.probabilities, strict=True)):
            table.add_row(
                Text(plain(each.image) if place == 0 else ""), Text(plain(label)), f"{probability:.3f}",
                f"{each.ms:.2f}" if place == 0 else "",
            )  # fmt: skip
    out = Console()
    out.print(table)
    ms = statistics.median(each.ms for each in found)
    out.print(
        Text(f"{len(found)} images by {plain(engine)}, {ms:.2f} ms an image in the median, one at a time"),
        soft_wrap=True,
    )
