"""What tables and pictures share: means and spreads over folds, levels, and the rule of three points."""

import statistics

RULE = 0.03  # points of accuracy, of the study
TITLES = {"vgg16": "VGG-16", "resnet18": "ResNet-18", "vgg16_imagenet": "VGG-16, ImageNet weights"}


def percent(share):
    """A share in whole per cent."""
    return f"{100 * share:.0f}"


def spread(values, found):
    """Mean and standard deviation of shares, in per cent; how many there are where ``found`` has another number of folds."""
    values = [100 * v for v in values if v is not None]
    if not values:
        return ""
    sd = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    count = f" ({len(values)})" if len(values) != len(found["dense"]) else ""
    return f"{statistics.mean(values):.1f}{sd}{count}"


def plural(epochs):
    """The name of Taylor pruning with so many epochs between removals."""
    return f"Taylor, {epochs} epoch{'s' * (int(epochs) != 1)}"


def ways(found):
    """By way to prune and fold: the dense network, and level by level what is gone and the accuracies, the smallest level first.

    A level has ``filters``, ``macs`` (shares that are gone), ``before``, ``after`` (test accuracy) and ``val``.
    """
    every = {}
    for epochs, runs in sorted(found["taylor"].items(), key=lambda item: int(item[0])):
        for fold, run in runs.items():
            levels = [
                {
                    "filters": at["filters_removed"],
                    "macs": 1 - at["macs"] / found["counts"]["macs"],
                    "before": at["test_accuracy_before"],
                    "after": at["test_accuracy"],
                    "val": at["accuracy"],
                }
                for at in run["levels"]
            ]
            every.setdefault(plural(epochs), {})[fold] = (run["dense"], levels)
    longer = {f"joint one-shot, {epochs} epochs": by_level for epochs, by_level in found["longer"].items()}
    for name, by_level in (found["methods"] | longer).items():
        for level in sorted(by_level, key=float):
            for fold, one in by_level[level].items():
                at = {
                    "filters": one["filters_removed"],
                    "macs": one["macs_removed"],
                    **{key: one[key] for key in ("before", "after", "val")},
                }
                every.setdefault(name, {}).setdefault(fold, (one["dense"], []))[1].append(at)
    return every


def columns(folds, key):
    """A figure of one way: values of all folds, by level (the share of the filters, to the nearest of the study's steps of 12 points)."""
    found = {}
    for _, levels in folds.values():
        for at in levels:
            found.setdefault(step(at["filters"]), []).append(at[key])
    return dict(sorted(found.items()))


def step(share):
    """Which of the study's eight levels a share of the filters is."""
    return round(share / 0.97 * 8)


def reached(accuracies, dense):
    """Index of the last level before accuracy after fine-tuning drops by more than the rule allows; -1 for none."""
    for i, accuracy in enumerate(accuracies):
        if accuracy < dense - RULE - 1e-9:
            return i - 1
    return len(accuracies) - 1


def under_rule(dense, levels, by):
    """The level that one fold reaches under the rule, decided by ``val`` or ``after`` (test) accuracy; None for none."""
    i = reached([at[by] for at in levels], dense["val" if by == "val" else "accuracy"])
    return levels[i] if i >= 0 else None
