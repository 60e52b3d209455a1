"""``easiedge export``: its options, and the table it prints."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from easiedge.argument_parser import ArgumentParser
from easiedge.errors import EasiEdgeError
from easiedge.plain_text import plain

USAGE = "easiedge export RUN_DIR [--to onnx,openvino,torch_export,executorch,c,c_fixed] [--int8] [data.root=DIR]"


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "easiedge export",
        USAGE,
        "The network of a run in the formats of engines, in RUN_DIR/export/ with export.json. Every file is run on images of the "
        "run's test split and compared with the artifact; one that disagrees is removed (exit status 2).",
    )
    parser.add_argument("run", metavar="RUN_DIR", type=Path, help="what easiedge prune or train wrote")
    parser.add_argument(
        "overrides", metavar="data.KEY=VALUE", nargs="*", help="where the run's data are now, such as data.root=DIR"
    )
    parser.add_argument(
        "--to", metavar="LIST",
        help="formats, separated by commas: onnx (ONNX Runtime), openvino, torch_export (.pt2), executorch (.pte, phones), c "
        "(C99 for microcontrollers and boards), c_fixed (the same in fixed point); default onnx; format=LIST says the same",
    )  # fmt: skip
    parser.add_argument(
        "--int8",
        action="store_true",
        help="also with int8 weights and activations (onnx, openvino); accuracy is measured again",
    )
    parser.add_argument(
        "--calibration", type=int, default=512, metavar="N", help="training images for int8's ranges (default 512)"
    )
    parser.add_argument(
        "--drop", type=float, default=2.0, metavar="POINTS", help="points of accuracy that int8 may cost (default 2)"
    )
    parser.add_argument(
        "--network", choices=("pruned", "dense"), default="pruned", help="which network of the run (default pruned)"
    )
    parser.add_argument(
        "--images", type=int, default=5000, metavar="N", help="test images to compare on, at most (default 5000)"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of each engine (default 1)")
    return parser


def export_command(arguments: Sequence[str]) -> int:
    """Export, and say what came of it.

    Raises:
        EasiEdgeError: the request is wrong, or a file disagrees with the artifact.
    """
    options = _parser().parse_intermixed_args(list(arguments))
    from easiedge.export import FOLDER, ExportRequest, export

    formats, overrides = _formats(options.to, options.overrides)
    request = ExportRequest(
        options.run, formats, options.int8, options.network, options.images,
        options.calibration, options.drop, options.threads, overrides,
    )  # fmt: skip
    logging.getLogger("easiedge").setLevel(logging.INFO)
    exported = export(request)
    if exported.entries:
        print_exports(exported.entries, options.run / FOLDER)
    exported.check()
    return 0


def _formats(to: str | None, overrides: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The formats, from ``--to LIST`` or, as in an override, ``format=LIST``; and the other overrides."""
    named = [o.removeprefix("format=") for o in overrides if o.startswith("format=")]
    if len(named) + (to is not None) > 1:
        raise EasiEdgeError("the formats are given twice: once is enough, --to LIST or format=LIST")
    chosen = named[0] if named else to if to is not None else "onnx"
    others = tuple(o for o in overrides if not o.startswith("format="))
    return tuple(name.strip() for name in chosen.split(",") if name.strip()), others


def print_exports(entries: Sequence[dict[str, Any]], folder: Path) -> None:
    """A row for each file."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in ("file", "engine"):
        table.add_column(name, no_wrap=True)
    for name in ("MB", "max diff", "same top-1", "accuracy", "artifact"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in entries:
        table.add_row(
            Text(plain(each["file"])), Text(plain(each["engine"])), f"{each['bytes'] / 1e6:.2f}", f"{each['max_abs_diff']:.2g}",
            f"{each['agreement']:.2%}", f"{each['accuracy']:.2%}", f"{each['artifact_accuracy']:.2%}",
        )  # fmt: skip
    out = Console()
    out.print(table)
    out.print(
        Text(plain(f"compared on {entries[0]['images']} test images; files and export.json are in {folder}")),
        soft_wrap=True,
    )
