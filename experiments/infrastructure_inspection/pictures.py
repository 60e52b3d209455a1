"""The pictures: accuracy against what is gone, and the kernels that stay in each layer."""

import statistics

import numpy as np
from figures import RULE, TITLES, columns, percent, ways
from matplotlib.figure import Figure

COLOURS = {
    "Taylor, 1 epoch": "#5b6773", "Taylor, 5 epochs": "#8a96a0", "Taylor, 10 epochs": "#b3bcc4", "easiedge": "#1f5fa8", "joint one-shot": "#c2702b",
    "joint one-shot, 40 epochs": "#e0a878",
}  # fmt: skip
OTHER = "#7a5c99"
TICKS = (50, 60, 70, 80, 90, 95, 98, 99)


def accuracy(every, path):
    """Test accuracy after fine-tuning against the shares of filters and of MACs that are gone; the scale is that of errors' logarithm."""
    figure = Figure(figsize=(5.2 * len(every), 6.4), layout="constrained")
    grid = figure.subplots(2, len(every), squeeze=False, sharey=True)
    for column, (network, found) in enumerate(every.items()):
        for axes, (key, words) in zip(grid[:, column], (("filters", "filters"), ("macs", "MACs")), strict=True):
            curves(axes, found, key)
            axes.set(xlabel=f"{words} gone [%]", xlim=(-2, 103), xticks=range(0, 101, 20))
            axes.set_yscale("function", functions=(_up, _down))
            axes.set_ylim(48, 99.3)
            axes.set_yticks(TICKS, [str(t) for t in TICKS])
            axes.minorticks_off()
            axes.spines[["top", "right"]].set_visible(False)
        grid[0, column].set_title(TITLES[network])
        if ways(found):
            grid[0, column].legend(fontsize=7, frameon=False, loc="lower left")
    for row in grid:
        row[0].set_ylabel("test accuracy [%]")
    figure.savefig(path, dpi=150)


def curves(axes, found, key):
    """Every way's curve, with σ over the folds; the dense network's accuracy and the rule as lines."""
    dense = 100 * statistics.mean(run["accuracy"] for run in found["dense"].values())
    axes.axhline(dense, color="#9aa4ad", linewidth=0.8)
    axes.axhline(dense - 100 * RULE, color="#9aa4ad", linewidth=0.8, linestyle="--")
    for y, words in ((dense, "dense"), (dense - 100 * RULE, "3 points less")):
        axes.annotate(words, (1, y), (0, -8), textcoords="offset points", fontsize=7, color="#5b6773")
    for i, (name, folds) in enumerate(ways(found).items()):
        x = [
            100 * statistics.mean(v) + 0.5 * (i - 2) for v in columns(folds, key).values()
        ]  # so that bars stand side by side
        values = columns(folds, "after").values()
        y = [100 * statistics.mean(v) for v in values]
        sd = [100 * statistics.stdev(v) if len(v) > 1 else 0.0 for v in values]
        bars = [
            [min(s, at - 40) for s, at in zip(sd, y, strict=True)],
            [min(s, max(99.2 - at, 0)) for s, at in zip(sd, y, strict=True)],
        ]
        style = {
            "color": COLOURS.get(name, OTHER),
            "marker": "o",
            "markersize": 4,
            "linewidth": 1.6,
            "elinewidth": 0.8,
            "capsize": 2,
        }
        axes.errorbar(x, y, bars, label=name, **style)


def _up(values):
    return -np.log(np.maximum(100.5 - np.asarray(values, float), 0.01))


def _down(values):
    return 100.5 - np.exp(-np.asarray(values, float))


def layers(every, path):
    """Share of each layer's kernels that stays in the first fold, at the level that the rule reaches and those nearest to it."""
    figure = Figure(figsize=(5.2 * len(every), 3.6), layout="constrained")
    for axes, (network, found) in zip(figure.subplots(1, len(every), squeeze=False)[0], every.items(), strict=True):
        drawn = kept(found)
        width = 0.8 / max(len(drawn), 1)
        for i, (label, (colour, rows)) in enumerate(drawn.items()):
            places = [x + (i - (len(drawn) - 1) / 2) * width for x in range(len(rows))]
            axes.bar(places, [100 * after / before for _, before, after in rows], width, color=colour, label=label)
            axes.set_xticks(range(len(rows)), [name for name, _, _ in rows], rotation=90, fontsize=6)
        axes.set(title=TITLES[network], ylabel="kernels that stay [%]", ylim=(0, 130), yticks=range(0, 101, 20))
        axes.spines[["top", "right"]].set_visible(False)
        if drawn:
            axes.legend(fontsize=7, frameon=False, loc="upper center")
    figure.savefig(path, dpi=150)


def kept(found):
    """By label: colour, and layer by layer the units before and after."""
    if "0" not in found["rule"]:
        return {}
    run = found["rule"]["0"]
    drawn = {
        f"Taylor by the rule: {percent(run['filters_removed'])} % of the filters gone": (
            COLOURS["Taylor, 1 epoch"],
            run["layers"],
        )
    }
    for name, levels in found["methods"].items():
        with_layers = {at: folds["0"] for at, folds in levels.items() if "layers" in folds.get("0", {})}
        if with_layers:
            one = with_layers[min(with_layers, key=lambda at: abs(float(at) - run["filters_removed"]))]
            drawn[f"{name}: {percent(one['filters_removed'])} % gone"] = (COLOURS.get(name, OTHER), one["layers"])
    return drawn
