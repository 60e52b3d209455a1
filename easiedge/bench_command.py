"""``easiedge bench RUN_DIR`` on the command line, and what it prints."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from easiedge.argument_parser import ArgumentParser
from easiedge.errors import EasiEdgeError

USAGE = "easiedge bench RUN_DIR [--engines torch,torch_compile,onnxruntime,openvino] [--batch 1,32] [--threads 1]"


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "easiedge bench",
        USAGE,
        "A run's network beside the dense one, timed in turns in each engine: milliseconds, memory, size, energy where the machine tells, "
        "and where the time goes layer by layer. Writes RUN_DIR/bench/: bench.json, bench.png, layers.png.",
    )
    parser.add_argument("run", metavar="RUN_DIR", type=Path, help="what easiedge prune wrote")
    parser.add_argument(
        "--engines", default=None, metavar="LIST",
        help="torch, torch_compile, onnxruntime, openvino, separated by commas; default: all that are installed",
    )  # fmt: skip
    parser.add_argument("--batch", type=_numbers, default=(1, 32), metavar="LIST", help="images at once, default 1,32")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="of each engine, kept on N cores (default 1)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=5.0,
        metavar="S",
        help="of timing for each engine and batch (default 5); each network runs twenty times at least",
    )
    parser.add_argument(
        "--dense", type=Path, metavar="DIR",
        help="the dense network, where the run kept none and it cannot be made again from config.yaml: a folder that easiedge.save wrote",
    )  # fmt: skip
    parser.add_argument("--no-layers", action="store_true", help="without the look at each layer")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers such as 1,32") from error


def bench_command(arguments: Sequence[str]) -> int:
    """Measure, draw, and print.

    Raises:
        EasiEdgeError: the request is wrong.
    """
    if any("=" in argument and not argument.startswith("-") for argument in arguments):
        raise EasiEdgeError(f"a run directory is timed: {USAGE}; tables for budgets in milliseconds: easiedge latency")
    options = _parser().parse_args(list(arguments))
    from easiedge.bench import FOLDER, BenchRequest, bench
    from easiedge.report.bench_picture import engines_picture, layers_picture
    from easiedge.report.bench_terminal import bench_tables

    engines = None if options.engines is None else tuple(n.strip() for n in options.engines.split(",") if n.strip())
    request = BenchRequest(
        options.run, engines, options.batch, options.threads, options.seconds, options.dense, not options.no_layers
    )
    logging.getLogger("easiedge").setLevel(logging.INFO)
    record = bench(request)
    folder = request.run / FOLDER
    content = record.content
    engines_picture(content, request.threads, folder / "bench.png")
    if rows := content["layers"].get(str(request.threads)):
        layers_picture(rows, content, folder / "layers.png")
    bench_tables(content, record.measured, request.threads, folder)
    return 0
