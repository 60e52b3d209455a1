"""The table and the picture from results/: python experiments/readjustment/redraw.py."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, stdev

from matplotlib.figure import Figure

HERE = Path(__file__).parent
COLOURS = ("#9aa5b1", "#6f9bd1", "#1f4e9c", "#d98b5f")
WHERE = {
    ("resnet56", "macs_removed", 0.5): "ResNet-56\n50 % of the MACs",
    ("resnet56", "macs_removed", 0.7): "ResNet-56\n70 % of the MACs",
    ("resnet56_inside", "filters_removed", 0.5): "ResNet-56, inside blocks\n50 % of the filters",
    ("vgg16", "filters_removed", 0.8): "VGG-16\n80 % of the filters",
}


def main() -> None:
    """Print the table and draw the picture."""
    found: dict[tuple[str, str, float], dict[str, list[float]]] = {}
    for file in sorted((HERE / "results").glob("*.json")):
        for row in json.loads(file.read_text()):
            if "form" in row:
                ((kind, share),) = row["budget"].items()
                found.setdefault((file.stem, kind, share), {}).setdefault(row["form"], []).append(100 * row["accuracy"])
    forms = list(dict.fromkeys(form for rows in found.values() for form in rows))
    print("| |" + "|".join(forms) + "| draws |\n|---|" + "---|" * (len(forms) + 1))
    for where, rows in found.items():
        cells = [f"{mean(v):.1f}" + (f" ± {stdev(v):.1f}" if len(v) > 1 else "") for v in (rows[f] for f in forms)]
        print("| " + WHERE[where].replace("\n", ", ") + " | " + " | ".join(cells) + f" | {len(rows[forms[0]])} |")
    figure = Figure(figsize=(8.5, 3.4), layout="constrained")
    axes = figure.subplots()
    for i, form in enumerate(forms):
        at = [k + 0.2 * (i - 1.5) for k in range(len(found))]
        axes.bar(at, [mean(rows[form]) for rows in found.values()], 0.18, label=form, color=COLOURS[i])
        for x, rows in zip(at, found.values(), strict=True):
            axes.text(x, mean(rows[form]) + 0.7, f"{mean(rows[form]):.0f}", ha="center", fontsize=8)
            axes.plot([x] * len(rows[form]), rows[form], ".", color="black", markersize=3)
    axes.set_xticks(range(len(found)), [WHERE[where] for where in found])
    axes.set_ylim(40, 92)
    axes.set_ylabel("validation accuracy, no training [%]")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(HERE / "readjustment.png", dpi=150)


if __name__ == "__main__":
    main()
