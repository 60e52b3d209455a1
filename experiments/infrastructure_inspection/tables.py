"""The tables of README.md."""

import statistics

from figures import columns, percent, plural, spread, under_rule, ways

NAMES = {"network": "the network itself", "knn": "K-nearest neighbours", "svc": "SVC", "svm_hinge": "SVMH"}


def table(head, rows):
    """Lines of Markdown, an empty one first."""
    return ["", *(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))]


def after(found):
    """Test accuracy at every level after fine-tuning, with the control."""
    control = [run["after"] for run in found["control"].values()]
    return by_level(
        found,
        "after",
        [["0, trained on for seven epochs", *[spread(control, found)] * len(ways(found))]] if control else [],
    )


def before(found):
    """Test accuracy at every level before fine-tuning."""
    return by_level(found, "before")


def macs(found):
    """Share of the MACs that is gone at every level."""
    return by_level(found, "macs")


def by_level(found, key, more=()):
    """A figure at every level, of all ways."""
    every = ways(found)
    by_way = {name: columns(folds, key) for name, folds in every.items()}
    gone = {name: columns(folds, "filters") for name, folds in every.items()}
    dense = spread([run["accuracy"] for run in found["dense"].values()], found) if key != "macs" else "0"
    rows = [["0", *[dense] * len(every)], *more]
    for level in sorted({level for found_levels in by_way.values() for level in found_levels}):
        share = statistics.mean(next(levels[level] for levels in gone.values() if level in levels))
        cells = [levels.get(level, []) for levels in by_way.values()]
        text = [percent(statistics.mean(c)) if c and key == "macs" else spread(c, found) for c in cells]
        rows.append([percent(share), *text])
    return table(["filters gone [%]", *every], rows)


def rule(found):
    """How far each way gets under the rule, decided on validation and on test images."""
    head = [
        "",
        "levels from [%]",
        "filters gone, decided on validation images [%]",
        "in each fold",
        "test accuracy there [%]",
    ]
    head += ["minus dense [points]", "filters gone, decided on test images [%]", "in each fold"]
    rows = []
    for name, folds in ways(found).items():
        by_val = [under_rule(dense, levels, "val") for dense, levels in folds.values()]
        by_test = [under_rule(dense, levels, "after") for dense, levels in folds.values()]
        dense = [run["accuracy"] for run, _ in folds.values()]
        there = [at["after"] if at else accuracy for at, accuracy in zip(by_val, dense, strict=True)]
        first = min(at["filters"] for _, levels in folds.values() for at in levels)
        cells = [name, percent(first)]
        for chosen in (by_val, by_test):
            shares = [at["filters"] if at else 0.0 for at in chosen]
            cells += [spread(shares, found), " ".join(map(percent, shares))]
            if chosen is by_val:
                lost = [a - b for a, b in zip(there, dense, strict=True)]
                cells += [spread(there, found), spread(lost, found)]
        rows.append(cells)
    return table(head, rows)


def seconds(found):
    """What whole runs of the first fold took, each by itself, from the dense network to the last level."""
    head = ["", "filters gone [%]", "seconds", "choosing and refitting", "training"]
    rows = []
    for name in ways(found):
        if (run := found["timed"].get(name)) is not None:
            took = run["seconds"]
            parts = [took["total"], took["score"], took["admm"] + took["finetune"]]
            rows.append([name, percent(run["filters_removed"]), *(f"{part:.0f}" for part in parts)])
    return table(head, rows)


def epochs(found):
    """Epochs of fine-tuning in an iteration against accuracy, and against time in the first fold."""
    head = ["epochs an iteration", "seconds of fine-tuning", "times that of 1 epoch", "begun again more slowly, times"]
    head += ["mean test accuracy of the levels up to 73 % gone [%]"]
    rows = []
    took = {
        count: found["timed"][plural(count)]["seconds"]["finetune"]
        for count in found["taylor"] if plural(count) in found["timed"]
    }  # fmt: skip
    for count in sorted(found["taylor"], key=int):
        runs = found["taylor"][count]
        means = [statistics.mean(at["test_accuracy"] for at in run["levels"][:6]) for run in runs.values()]
        whole = f"{took[count]:.0f}" if count in took else ""
        times = f"{took[count] / took['1']:.1f}" if count in took and "1" in took else ""
        again = " ".join(str(run["retries"]) for run in runs.values())
        rows.append([count, whole, times, again, spread(means, found)])
    return table(head, rows)


def classifiers(found):
    """Accuracy, size and time of the classical classifiers."""
    head = ["", "test accuracy [%]", "model [MB]", "seconds for all test images"]
    rows = []
    for name, words in NAMES.items():
        these = [row for fold in found["classifiers"].values() for row in fold if row["name"] == name]
        if these:
            mean = {key: statistics.mean(row[key] for row in these) for key in ("megabytes", "seconds")}
            accuracy = spread([row["test_accuracy"] for row in these], found)
            rows.append([words, accuracy, f"{mean['megabytes']:.1f}", f"{mean['seconds']:.2f}"])
    runs = list(found["rule"].values())
    if runs:
        gone = percent(statistics.mean(run["filters_removed"] for run in runs))
        size = statistics.mean(run["artifact_mb"] for run in runs)
        rows.append(
            [
                f"pruned by the rule, {gone} % of the filters gone",
                spread([run["after"] for run in runs], found),
                f"{size:.1f}",
                "",
            ]
        )
    return table(head, rows)


def bench(found):
    """Time, memory and size, dense beside pruned."""
    head = ["run", "filters gone [%]", "cores", "images at once", "ms an image, dense", "pruned", "times faster"]
    head += ["peak memory [MB], dense", "pruned", "file [MB], dense", "pruned"]
    lines = []
    for name, record in found["bench"].items():
        rows = [row for row in record["rows"] if row["engine"] == "torch" and row["precision"] == "float32"]
        for threads, batch in sorted({(row["threads"], row["batch"]) for row in rows}):
            pair = {row["network"]: row for row in rows if (row["threads"], row["batch"]) == (threads, batch)}
            if {"dense", "pruned"} <= set(pair):
                lines.append([name, percent(record["filters_removed"]), *bench_cells(pair["dense"], pair["pruned"])])
    return table(head, lines)


def bench_cells(dense, pruned):
    """One line of it, but for the name."""
    ms = [f"{row['median_ms'] / row['batch']:.2f}" for row in (dense, pruned)]
    memory = [f"{row['peak_mb']:.0f}" for row in (dense, pruned)]
    ratio = pruned["times_faster"]
    faster = f"{ratio['estimate']:.1f} [{ratio['low']:.1f}, {ratio['high']:.1f}]" if ratio else ""
    return [
        str(dense["threads"]),
        str(dense["batch"]),
        *ms,
        faster,
        *memory,
        f"{dense['file_bytes'] / 1e6:.1f}",
        f"{pruned['file_bytes'] / 1e6:.2f}",
    ]


TABLES = {
    "after": after,
    "before": before,
    "macs": macs,
    "rule": rule,
    "epochs": epochs,
    "seconds": seconds,
    "classifiers": classifiers,
    "bench": bench,
}
