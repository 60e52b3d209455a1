"""Tables (into README.md, between its marks) and pictures from results/ by: python experiments/infrastructure_inspection/redraw.py."""

import json
import re
import statistics
from pathlib import Path

from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
RULE = 0.03  # points of accuracy, of the study
TITLES = {"vgg16": "VGG-16", "resnet18": "ResNet-18", "vgg16_imagenet": "VGG-16, ImageNet weights"}
COLOURS = {
    "Taylor, 1 epoch": "#5b6773",
    "Taylor, 5 epochs": "#8a96a0",
    "Taylor, 10 epochs": "#b3bcc4",
    "easiedge": "#1f5fa8",
    "joint one-shot": "#c2702b",
}
NAMES = {"network": "the network itself", "knn": "K-nearest neighbours", "svc": "SVC", "svm_hinge": "SVMH"}


def spread(values, digits=1):
    """Mean and standard deviation of shares, in per cent."""
    values = [100 * v for v in values if v is not None]
    if not values:
        return ""
    sd = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{sd}"


def taylor_levels(found, epochs, key):
    """For each level the values of all folds."""
    runs = found["taylor"].get(str(epochs), {}).values()
    return [list(column) for column in zip(*([level[key] for level in run["levels"]] for run in runs), strict=True)]


def method_levels(found, name, key):
    """For each level the values of all folds."""
    levels = found["methods"].get(name, {})
    return {float(level): [one[key] for one in folds.values()] for level, folds in levels.items()}


def level_table(found):
    """Test accuracy at every level, before and after fine-tuning."""
    epochs = [e for e in (1, 5, 10) if str(e) in found["taylor"]]
    methods = list(found["methods"])
    head = ["filters gone [%]", "Taylor, 1 epoch: MACs gone [%]"]
    head += [f"Taylor, {e} epoch{'s' * (e > 1)}: {when}" for e in epochs for when in ("before", "after")]
    head += [f"{name}: {when}" for name in methods for when in ("MACs gone [%]", "before", "after")]
    lines = ["", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    dense = spread([run["accuracy"] for run in found["dense"].values()])
    lines.append(f"| 0 | 0 | {' | '.join([dense, ''] * len(epochs) + ['0', dense, ''] * len(methods))} |")
    gone, macs = taylor_levels(found, epochs[0], "filters_removed"), taylor_levels(found, epochs[0], "macs")
    for i, (share, left) in enumerate(zip(gone, macs, strict=True)):
        cells = [
            f"{100 * statistics.mean(share):.0f}",
            f"{100 - 100 * statistics.mean(left) / found['counts']['macs']:.0f}",
        ]
        for e in epochs:
            cells += [spread(taylor_levels(found, e, key)[i]) for key in ("test_accuracy_before", "test_accuracy")]
        for name in methods:
            for key in ("macs_removed", "before", "after"):
                columns = method_levels(found, name, key).items()
                near = next((v for level, v in columns if abs(level - statistics.mean(share)) < 0.005), [])
                cells.append(f"{100 * statistics.mean(near):.0f}" if near and key == "macs_removed" else spread(near))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def reached(accuracies, dense):
    """Index of the last level before accuracy after fine-tuning drops by more than the rule allows; -1 for none."""
    for i, accuracy in enumerate(accuracies):
        if accuracy < dense - RULE - 1e-9:
            return i - 1
    return len(accuracies) - 1


def ways(found):
    """By way to prune, for each fold: the dense network, and level by level the share that goes and validation and test accuracy after fine-tuning."""
    every = {}
    for e, runs in sorted(found["taylor"].items(), key=lambda item: int(item[0])):
        every[f"Taylor, {e} epoch{'s' * (e != '1')}"] = {
            fold: (run["dense"], [(lv["filters_removed"], lv["accuracy"], lv["test_accuracy"]) for lv in run["levels"]]) for fold, run in runs.items()
        }  # fmt: skip
    for name, levels in found["methods"].items():
        first = sorted(levels, key=float)
        label = name if len(first) == 8 else f"{name}, levels from {100 * float(first[0]):.0f} % on"
        for level in first:
            for fold, run in levels[level].items():
                one = every.setdefault(label, {}).setdefault(fold, (run["dense"], []))
                one[1].append((run["filters_removed"], run["val"], run["after"]))
    return every


def rule_table(found):
    """How far each way gets under the rule."""
    lines = [
        "", "| | filters gone under the rule [%], by validation images | in each fold | test accuracy there [%] | minus dense [points] | by test images [%] |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, folds in ways(found).items():
        by_val, by_test, there, lost = [], [], [], []
        for dense, levels in folds.values():
            i = reached([val for _, val, _ in levels], dense["val"])
            j = reached([test for _, _, test in levels], dense["accuracy"])
            by_val.append(levels[i][0] if i >= 0 else 0.0)
            by_test.append(levels[j][0] if j >= 0 else 0.0)
            there.append(levels[i][2] if i >= 0 else dense["accuracy"])
            lost.append(there[-1] - dense["accuracy"])
        each = " ".join(f"{100 * share:.0f}" for share in by_val)
        lines.append(f"| {name} | {spread(by_val)} | {each} | {spread(there)} | {spread(lost)} | {spread(by_test)} |")
    return lines


def epoch_table(found):
    """Epochs of fine-tuning in an iteration against accuracy and time."""
    lines = [
        "",
        "| epochs an iteration | seconds in all | of 1 epoch's | filters gone under the rule [%] | mean test accuracy of the levels up to 73 % gone [%] |",
    ]
    lines.append("|---|---|---|---|---|")
    base = None
    for e in (1, 5, 10):
        runs = found["taylor"].get(str(e))
        if not runs:
            continue
        seconds = [run["seconds"]["score"] + run["seconds"]["finetune"] for run in runs.values()]
        base = base or statistics.mean(seconds)
        rule, means = [], []
        for run in runs.values():
            i = reached([lv["accuracy"] for lv in run["levels"]], run["dense"]["val"])
            rule.append(run["levels"][i]["filters_removed"] if i >= 0 else 0.0)
            means.append(statistics.mean(lv["test_accuracy"] for lv in run["levels"][:6]))
        sd = f" ± {statistics.stdev(seconds):.0f}" if len(seconds) > 1 else ""
        lines.append(
            f"| {e} | {statistics.mean(seconds):.0f}{sd} | {statistics.mean(seconds) / base:.1f} | {spread(rule)} | {spread(means)} |"
        )
    return lines


def classifier_table(found):
    """Accuracy, size and time of the classical classifiers."""
    lines = ["", "| | test accuracy [%] | model [MB] | seconds for all test images | folds |", "|---|---|---|---|---|"]
    for name, words in NAMES.items():
        rows = [row for fold in found["classifiers"] for row in fold if row["name"] == name]
        if rows:
            mean = {key: statistics.mean(row[key] for row in rows) for key in ("megabytes", "seconds")}
            accuracy = spread([row["test_accuracy"] for row in rows])
            lines.append(f"| {words} | {accuracy} | {mean['megabytes']:.1f} | {mean['seconds']:.2f} | {len(rows)} |")
    runs = list(found["rule"].values())
    if runs:
        gone = statistics.mean(run["filters_removed"] for run in runs)
        size = statistics.mean(run["artifact_mb"] for run in runs)
        accuracy = spread([run["after"] for run in runs])
        lines.append(
            f"| pruned by the rule, {100 * gone:.0f} % of the filters gone | {accuracy} | {size:.1f} | see below | {len(runs)} |"
        )
    return lines


def bench_table(found):
    """Time, memory and size, dense beside pruned."""
    lines = [
        "",
        "| run | cores | images at once | ms an image, dense | pruned | dense over pruned | peak memory [MB], dense | pruned | file [MB], dense | pruned |",
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|---|")
    for name, record in found["bench"].items():
        rows = [row for row in record["rows"] if row["engine"] == "torch" and row["precision"] == "float32"]
        for threads, batch in sorted({(row["threads"], row["batch"]) for row in rows}):
            pair = {row["network"]: row for row in rows if (row["threads"], row["batch"]) == (threads, batch)}
            if {"dense", "pruned"} <= set(pair):
                lines.append(bench_row(name, pair["dense"], pair["pruned"]))
    return lines


def bench_row(name, dense, pruned):
    """One line of it."""
    ms = [row["median_ms"] / row["batch"] for row in (dense, pruned)]
    memory = [row["peak_mb"] for row in (dense, pruned)]
    size = [row["file_bytes"] / 1e6 for row in (dense, pruned)]
    return (
        f"| {name} | {dense['threads']} | {dense['batch']} | {ms[0]:.2f} | {ms[1]:.2f} | {ms[0] / ms[1]:.1f} | {memory[0]:.0f} | "
        f"{memory[1]:.0f} | {size[0]:.1f} | {size[1]:.2f} |"
    )


def accuracy_picture(every):
    """Accuracy after fine-tuning against the share of the filters, with σ; before it, pale."""
    figure = Figure(figsize=(5.2 * len(every), 4.0), layout="constrained")
    for axes, (network, found) in zip(figure.subplots(1, len(every), squeeze=False)[0], every.items(), strict=True):
        dense = 100 * statistics.mean(run["accuracy"] for run in found["dense"].values())
        axes.axhline(dense - 100 * RULE, color="#9aa4ad", linewidth=0.8, linestyle="--")
        axes.annotate(
            "3 points under dense",
            (0.02, dense - 100 * RULE),
            (0, -10),
            textcoords="offset points",
            fontsize=7,
            color="#5b6773",
        )
        keys = ("filters_removed", "test_accuracy_before", "test_accuracy")
        curves = {
            f"Taylor, {e} epoch{'s' * (e > 1)}": [taylor_levels(found, e, key) for key in keys]
            for e in (1, 5, 10)
            if str(e) in found["taylor"]
        }
        for name in found["methods"]:
            columns = [method_levels(found, name, key) for key in ("filters_removed", "before", "after")]
            curves[name] = [[values for _, values in sorted(column.items())] for column in columns]
        for name, (gone, before, after) in curves.items():
            x = [100 * statistics.mean(v) for v in gone]
            start = [0] if x[0] < 20 else []  # no line over levels that were not run
            longer = name.endswith("epochs")  # their spread is in the table
            y = [100 * statistics.mean(v) for v in after]
            sd = [100 * statistics.stdev(v) if len(v) > 1 else 0 for v in after]
            axes.errorbar(
                [*start, *x],
                [*(dense for _ in start), *y],
                None if longer else [*start, *sd],
                color=COLOURS[name],
                marker="o",
                markersize=4,
                linewidth=1.6,
                capsize=2,
                label=f"{name}, after fine-tuning",
            )
            if longer:
                continue
            axes.plot(
                [*start, *x],
                [*(dense for _ in start), *(100 * statistics.mean(v) for v in before)],
                color=COLOURS[name],
                linewidth=1,
                linestyle=":",
                label=f"{name}, before",
            )
        axes.set(
            title=TITLES[network],
            xlabel="filters gone [%]",
            ylabel="test accuracy [%], five folds",
            xlim=(-2, 100),
            ylim=(45, 102),
        )
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False, loc="lower left")
    figure.savefig(HERE / "accuracy.png", dpi=160)


def layer_picture(every):
    """Share of each layer's kernels that stays at the level that the rule reaches, and easiedge's at the same level."""
    figure = Figure(figsize=(5.2 * len(every), 3.4), layout="constrained")
    for axes, (network, found) in zip(figure.subplots(1, len(every), squeeze=False)[0], every.items(), strict=True):
        run = found["rule"]["0"]
        drawn = {f"Taylor, stopped by the rule: {100 * run['filters_removed']:.0f} % gone": ("#5b6773", run["layers"])}
        for name, levels in found["methods"].items():
            level = min(levels, key=lambda at: abs(float(at) - run["filters_removed"]))
            if "layers" in levels[level].get("0", {}):
                drawn[f"{name}: {100 * float(level):.0f} % gone"] = (COLOURS[name], levels[level]["0"]["layers"])
        width = 0.8 / len(drawn)
        for i, (label, (colour, rows)) in enumerate(drawn.items()):
            shares = [100 * after / before for _, before, after in rows]
            axes.bar(
                [x + (i - (len(drawn) - 1) / 2) * width for x in range(len(rows))],
                shares,
                width,
                color=colour,
                label=label,
            )
        axes.set_xticks(
            range(len(run["layers"])), [name for name, _, _ in run["layers"]], rotation=60, ha="right", fontsize=7
        )
        axes.set(title=TITLES[network], ylabel="kernels that stay [%]", ylim=(0, 138), yticks=range(0, 101, 20))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False, loc="upper center", ncols=1)
    figure.savefig(HERE / "layers.png", dpi=160)


if __name__ == "__main__":
    every = {
        n: json.loads((HERE / "results" / f"{n}.json").read_text())
        for n in TITLES
        if (HERE / "results" / f"{n}.json").exists()
    }
    parts = {
        "levels": level_table,
        "rule": rule_table,
        "epochs": epoch_table,
        "classifiers": classifier_table,
        "bench": bench_table,
    }
    text = (HERE / "README.md").read_text()
    for name, make in parts.items():
        for network, found in every.items():
            lines = "\n".join(make(found))
            mark = f"{name} {network}"
            text, count = re.subn(
                rf"(<!-- {mark} -->\n).*?(<!-- end of {mark} -->)",
                lambda m, t=lines: f"{m[1]}{t}\n{m[2]}",
                text,
                flags=re.S,
            )
            if not count:
                print(f"README.md has no marks for {mark}")
    (HERE / "README.md").write_text(text)
    accuracy_picture(every)
    layer_picture(every)
