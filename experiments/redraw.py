"""Redraw the pictures of an experiment from its saved results: python experiments/redraw.py experiments/main_job."""

import csv
import json
import sys
from pathlib import Path

from easiedge.report.layers_table import LayerRow
from easiedge.report.pictures import run_picture


def main(here):
    """Draw every run below ``results`` that has both its metrics and its layers."""
    for metrics in sorted((here / "results").glob("*-metrics.json")):
        name = metrics.name.removesuffix("-metrics.json")
        if not (here / "results" / f"{name}-layers.csv").exists():
            continue
        with (here / "results" / f"{name}-layers.csv").open() as file:
            rows = [
                LayerRow(r["group"], r["layer"], *(int(v) for v in list(r.values())[2:])) for r in csv.DictReader(file)
            ]
        run_picture(json.loads(metrics.read_text()), rows, here / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
