"""``easiedge report``: its options, and the lines it prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from easiedge.argument_parser import ArgumentParser
from easiedge.errors import RunError

USAGE = "easiedge report DIR [--out FOLDER] [--title TEXT]"
MOST_NAMED = 5


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "easiedge report",
        USAGE,
        "One self-contained page over every run below DIR (index.html, opens offline), with runs.csv, settings.csv, "
        "global_layerwise.csv, and each picture as PNG (300 dpi) and SVG.",
    )
    parser.add_argument(
        "directory", metavar="DIR", type=Path, help="a run directory, a sweep, or any folder above them"
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="where the report goes (default: DIR/report)")
    parser.add_argument("--title", metavar="TEXT", help="at the head of the page (default: what is in it)")
    return parser


def report(arguments: Sequence[str]) -> int:
    """Write the report and say where it is; what could not be read is named.

    Raises:
        EasiEdgeError: the request is wrong, or there is nothing to report.
    """
    options = _parser().parse_args(arguments)
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        raise RunError(f"--out {options.out} is a file: give a folder for the report")
    from easiedge.report.page.links import shown
    from easiedge.report.page.write_report import write_report

    written = write_report(options.directory, options.out, options.title)
    what = [f"{written.runs} {'run' if written.runs == 1 else 'runs'}"] if written.runs else []
    if written.sensitivities:
        what.append(f"{written.sensitivities} sensitivity {'analysis' if written.sensitivities == 1 else 'analyses'}")
    print(f"{', '.join(what)}: {written.page}")
    for skipped in written.skipped[:MOST_NAMED]:
        print(f"skipped {shown(skipped.directory, options.directory)}: {skipped.reason}")
    if len(written.skipped) > MOST_NAMED:
        print(f"and {len(written.skipped) - MOST_NAMED} more skipped: the page names them")
    return 0
