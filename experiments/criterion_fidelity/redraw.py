"""Redraw the pictures and print the tables from saved results: python experiments/criterion_fidelity/redraw.py

``results/NAME-fidelity.json`` and ``results/NAME-scores.safetensors`` are what ``easiedge score`` left in its run directory.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from easiedge.report.fidelity_pictures import curves_picture, scatter_picture
from easiedge.report.fidelity_terminal import fidelity_tables

HERE = Path(__file__).parent


def scatter(name, record):
    """Criteria against the oracle, on the units that the oracle measured."""
    arrays = load_file(HERE / "results" / f"{name}-scores.safetensors")
    units = {key.split("/", 1)[1]: value for key, value in arrays.items() if key.startswith("oracle_units/")}
    if not units:
        return
    truth = np.concatenate([arrays[f"oracle/{g}"] for g in units])
    rho = {r["criterion"]: r["spearman"] for r in record["criteria"] if "spearman" in r}
    scores = {label: np.concatenate([arrays[f"{label}/{g}"][units[g]] for g in units]) for label in rho}
    scatter_picture(truth, scores, rho, title(record), HERE / f"{name}-scatter.png")


def title(record):
    return f"{record['model']} on {record['data']} (JPEG copy), {record['images']} images"


def main():
    for file in sorted((HERE / "results").glob("*-fidelity.json")):
        name, record = file.name.removesuffix("-fidelity.json"), json.loads(file.read_text())
        fidelity_tables(record, HERE)
        if (HERE / "results" / f"{name}-scores.safetensors").exists():
            scatter(name, record)
        if record["curves"]:
            about = f"{title(record)}; accuracy on {record['evaluation_images']} test images"
            curves_picture(record["curves"], record["dense_accuracy"], about, HERE / f"{name}-curves.png")


if __name__ == "__main__":
    main()
