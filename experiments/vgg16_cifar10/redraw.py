"""Redraw the pictures of this experiment from its saved results: python experiments/vgg16_cifar10/redraw.py."""

import csv
import json
from pathlib import Path

from easiedge.report.layers_table import LayerRow
from easiedge.report.pictures import run_picture

HERE = Path(__file__).parent


def main():
    for metrics in sorted((HERE / "results").glob("*-metrics.json")):
        name = metrics.name.removesuffix("-metrics.json")
        with (HERE / "results" / f"{name}-layers.csv").open() as file:
            rows = [
                LayerRow(r["group"], r["layer"], *(int(v) for v in list(r.values())[2:])) for r in csv.DictReader(file)
            ]
        run_picture(json.loads(metrics.read_text()), rows, HERE / f"{name}.png")


if __name__ == "__main__":
    main()
