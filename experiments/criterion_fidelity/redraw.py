"""Redraw the pictures and print the tables of the README from saved results.

python experiments/criterion_fidelity/redraw.py; ``results/NAME-fidelity.json`` and ``results/NAME-scores.safetensors`` are what ``easiedge score`` left in its run directory.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from easiedge.report.fidelity_pictures import curves_picture, scatter_picture

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


def agreement_table(record):
    """Markdown: the criteria, best first."""
    print(
        "| criterion | Spearman (95 %) | Kendall (95 %) | overlap of the lowest 20 % | 50 % | seconds |\n|---|---|---|---|---|---|"
    )
    for r in sorted((r for r in record["criteria"] if "spearman" in r), key=lambda r: -(r["spearman"] or -2)):
        print(
            f"| `{r['criterion']}` | {r['spearman']:.3f} ({r['spearman_low']:.3f} to {r['spearman_high']:.3f}) | "
            f"{r['kendall']:.3f} ({r['kendall_low']:.3f} to {r['kendall_high']:.3f}) | {r['overlap_0.2']:.0%} | {r['overlap_0.5']:.0%} | {r['seconds']:.1f} |"
        )


def accuracy_table(record):
    """Markdown: accuracies by share removed, and how far behind the best with its interval."""
    for scope, fit in dict.fromkeys((r["scope"], r["compensation"]) for r in record["curves"]):
        rows = {
            (r["criterion"], r["removed"]): r
            for r in record["curves"]
            if (r["scope"], r["compensation"]) == (scope, fit)
        }
        shares = sorted({share for _, share in rows})
        labels = sorted({label for label, _ in rows}, key=lambda k: -sum(rows[k, s]["accuracy"] for s in shares))
        print(f"\n{scope}, compensation {fit}, dense {100 * record['dense_accuracy']:.2f}\n")
        print("| criterion | " + " | ".join(f"{share:.0%}" for share in shares) + " |\n|---|" + "---|" * len(shares))
        for label in labels:
            print(f"| `{label}` | " + " | ".join(cell(rows[label, share]) for share in shares) + " |")


def cell(row):
    """Accuracy, and the 95 % interval of how far it is behind the best."""
    figure = f"{100 * row['accuracy']:.1f}"
    if row["best"] == row["criterion"]:
        return f"**{figure}**"
    low, high = (f"{100 * row[key]:.1f}".replace("-0.0", "0.0") for key in ("behind_low", "behind_high"))
    return f"{figure} ({low} to {high})"


def title(record):
    return f"{record['model']} on {record['data']} (JPEG copy), {record['images']} images"


def main():
    for file in sorted((HERE / "results").glob("*-fidelity.json")):
        name, record = file.name.removesuffix("-fidelity.json"), json.loads(file.read_text())
        print(f"\n## {name}\n")
        if record["oracle"]:
            agreement_table(record)
        accuracy_table(record)
        if (HERE / "results" / f"{name}-scores.safetensors").exists():
            scatter(name, record)
        if all(
            len({row[key] for row in record["curves"]}) > least for key, least in (("removed", 2), ("criterion", 1))
        ):
            about = f"{title(record)}; accuracy on {record['evaluation_images']} test images"
            curves_picture(record["curves"], record["dense_accuracy"], about, HERE / f"{name}-curves.png")


if __name__ == "__main__":
    main()
