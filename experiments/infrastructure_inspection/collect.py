"""What the runs of study.py found, as OUT/results/NETWORK.json: python experiments/infrastructure_inspection/collect.py OUT [--into FOLDER].

With ``--into`` the results go to FOLDER/results, where those of earlier runs of the same photographs stay beside them.
"""

import csv
import json
import re
import sys
from pathlib import Path

from study import BENCHED, NETWORKS, refuse

METHODS = {"joint-one-shot": "joint one-shot", "one_shot": "joint one-shot"}  # by the beginning of a cell's name
CELL = re.compile(r"(.+)-global-filters_removed-([\d.]+)-seed(\d+)")


def read(path):
    return json.loads(path.read_text())


def finished(folder, pattern="*"):
    """Its runs that came to their end."""
    return [run for run in sorted(folder.glob(pattern)) if (run / "metrics.json").exists()]


def best_val(run):
    """Validation accuracy of the epoch that a dense training kept."""
    return max(float(row["val_accuracy"]) for row in csv.DictReader((run / "curves.csv").open()))


def figures(run):
    """Of a finished pruning run."""
    m = read(run / "metrics.json")
    kept = ("filters_removed", "params_removed", "macs_removed", "artifact_mb", "memory_mb")
    return {
        "before": m["pruned"]["accuracy_before_finetune"], "after": m["pruned"]["accuracy"], "val": m["pruned"]["val_accuracy"],
        **{k: m["budget"]["achieved"][k] for k in kept if k in m["budget"]["achieved"]},
    }  # fmt: skip


def layers(run):
    """Units before and after of every layer that lost some or could have, in the order of the network."""
    rows = list(csv.DictReader((run / "layers.csv").open()))
    return [[row["layer"], int(row["units_before"]), int(row["units_after"])] for row in rows if row["group"]]


def taylor(folder):
    """By epochs an iteration: the levels of each fold, and what all of them together took."""
    found = {}
    for run in finished(folder, "*_*"):
        epochs, seed = run.name.split("_")
        m = read(run / "metrics.json")
        again = sum("too fast" in row["stage"] for row in csv.DictReader((run / "curves.csv").open()))
        found.setdefault(epochs, {})[seed] = {"levels": m["levels"], "retries": again}
    return found


def compared(folder):
    """The control's accuracies, and the figures of each method by level and fold."""
    control, methods = {}, {}
    for run in finished(folder):
        if run.name.startswith("dense-trained-on"):
            control[run.name.rsplit("seed", 1)[1]] = figures(run)
        elif match := CELL.fullmatch(run.name):
            name, level, seed = match.groups()
            one = figures(run)
            if seed == "0":
                one["layers"] = layers(run)
            methods.setdefault(METHODS.get(name, name), {}).setdefault(level, {})[seed] = one
    return control, methods


def longer(folder):
    """Figures of joint one-shot by epochs, level and fold."""
    found = {}
    for run in finished(folder, "*_*_*"):
        epochs, level, seed = run.name.split("_")
        found.setdefault(epochs, {}).setdefault(level, {})[seed] = figures(run)
    return found


def collect(out, network):
    """All of one network, as far as it has been run."""
    base = out / network
    dense = {}
    for run in finished(base / "dense", "[0-9]*"):
        m = read(run / "metrics.json")
        dense[run.name] = {"accuracy": m["dense"]["accuracy"], "val": best_val(run), "seconds": m["seconds"]["total"]}
        counts = {k: m["dense"][k] for k in ("params", "macs", "filters")}
    if not dense:
        refuse(f"{base / 'dense'} holds no finished run: let study.py finish its step dense")
    control, methods = compared(base / "compare" / "cells")
    rule = {
        run.name: figures(run) | {"layers": layers(run), "levels": read(run / "metrics.json")["levels"]}
        for run in finished(base / "rule", "[0-9]*")
    }  # fmt: skip
    found_taylor, found_longer = taylor(base / "taylor"), longer(base / "longer")
    paths = sorted((base / "classifiers").glob("[0-9]*/classifiers.json"))
    classifiers = {path.parent.name: read(path)["rows"] for path in paths}
    whole = {
        run.name: figures(run) | {"seconds": read(run / "metrics.json")["seconds"]} for run in finished(base / "timed")
    }
    timed = {name: base / run / "bench" / "bench.json" for name, run in BENCHED.items()}
    bench = {
        name: {"rows": read(path)["rows"], "filters_removed": figures(path.parents[1])["filters_removed"]}
        for name, path in timed.items() if path.exists()
    }  # fmt: skip
    by_level = [at for levels in (*methods.values(), *found_longer.values()) for at in levels.values()]
    for folds in (*found_taylor.values(), *by_level):
        for fold, run in folds.items():
            run["dense"] = dense[fold]  # what it is held against
    return {
        "network": network, "counts": counts, "dense": dense, "taylor": found_taylor, "rule": rule, "control": control,
        "methods": methods, "longer": found_longer, "classifiers": classifiers, "timed": whole, "bench": bench,
    }  # fmt: skip


def merged(old, new):
    """Runs of an earlier day beside those of this one; what is in both is this one's."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: merged(old.get(key), new.get(key)) for key in (*old, *(key for key in new if key not in old))}
    return old if new in (None, []) else new


def check_same(old, new, path):
    """Refuse runs that started from other dense networks: what is pruned from one is not held against another."""
    for fold, run in new["dense"].items():
        known = old.get("dense", {}).get(fold)
        if known is not None and known["accuracy"] != run["accuracy"]:
            refuse(
                f"fold {fold}'s dense network has {run['accuracy']:.4f} here and {known['accuracy']:.4f} in {path}: collect into another folder"
            )


def main(out, into=None):
    """Write what there is."""
    networks = [network for network in NETWORKS if (out / network / "dense").exists()]
    if not networks:
        refuse(f"{out} holds no runs of study.py: give the folder that study.py wrote to")
    folder = (into or out) / "results"
    folder.mkdir(parents=True, exist_ok=True)
    for network in networks:
        path = folder / f"{network}.json"
        found = collect(out, network)
        if into is not None and path.exists():
            check_same(old := read(path), found, path)
            found = merged(old, found)
        path.write_text(json.dumps(found, separators=(",", ":")).replace('},"', '},\n"') + "\n")
        print(path)


if __name__ == "__main__":
    given = sys.argv[1:]
    if len(given) not in (1, 3) or (len(given) == 3 and given[1] != "--into"):
        refuse("usage: collect.py OUT [--into FOLDER]")
    main(Path(given[0]), Path(given[2]) if len(given) == 3 else None)
