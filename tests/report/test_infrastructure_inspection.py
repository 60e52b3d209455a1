"""experiments/infrastructure_inspection: what its runs left is collected and drawn, all of it or the little there is."""

import csv
import importlib
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from easiedge.cli import conf_dir
from easiedge.compare.request import request_of
from easiedge.configuration import composed

HERE = Path(__file__).parents[2] / "experiments" / "infrastructure_inspection"
DENSE = {"accuracy": 0.98, "params": 1000, "macs": 2000, "filters": 100}


def call(script, *given, cwd=None):
    return subprocess.run(
        [sys.executable, str(HERE / script), *map(str, given)], capture_output=True, text=True, cwd=cwd
    )


def run(home, curves=(), **figures):
    home.mkdir(parents=True)
    (home / "metrics.json").write_text(
        json.dumps({"dense": DENSE, "seconds": {"total": 9.0, "score": 2.0, "admm": 1.0, "finetune": 5.0}} | figures)
    )
    with (home / "curves.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["stage", "epoch", "val_accuracy"])
        rows.writerows([(stage, 0, value) for stage, value in curves])


def pruned(home, share, after, val):
    achieved = {"filters_removed": share, "params_removed": share, "macs_removed": share / 2, "artifact_mb": 1.0}
    found = {"accuracy": after, "accuracy_before_finetune": after - 0.1, "val_accuracy": val}
    run(home, pruned=found, budget={"achieved": achieved})
    with (home / "layers.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["group", "layer", "units_before", "units_after"])
        rows.writerow(["g", "conv1", 10, 5])


def levels(*accuracies):
    return [
        {
            "filters_removed": 0.12125 * i,
            "macs": 2000 - 100 * i,
            "test_accuracy_before": a - 0.2,
            "test_accuracy": a,
            "accuracy": a,
        }
        for i, a in enumerate(accuracies, 1)
    ]


@pytest.fixture
def out(tmp_path):
    """Two folds of VGG-16."""
    base = tmp_path / "vgg16"
    for fold, accuracy in (("0", 0.97), ("1", 0.92)):
        run(base / "dense" / fold, [("dense training", 0.96)])
        pruned(
            base / "compare" / "cells" / f"joint-one-shot-global-filters_removed-0.2425-seed{fold}", 0.2425, 1.0, 1.0
        )
        run(
            base / "taylor" / f"1_{fold}",
            [("iteration 1/2, too fast", 0.5), ("iteration 1/2", 0.97)],
            levels=levels(0.97, accuracy),
        )
        pruned(base / "compare" / "cells" / f"easiedge-global-filters_removed-0.2425-seed{fold}", 0.2425, 0.96, 0.95)
        pruned(base / "longer" / f"40_0.2425_{fold}", 0.2425, 0.96 + 0.02 * int(fold), 0.95)
        (base / "classifiers" / fold).mkdir(parents=True)
        row = {"name": "knn", "test_accuracy": 0.9 + 0.02 * int(fold), "megabytes": 2.0, "seconds": 0.5}
        (base / "classifiers" / fold / "classifiers.json").write_text(json.dumps({"rows": [row]}))
    pruned(base / "timed" / "Taylor, 1 epoch", 0.97, 0.9, 0.9)
    pruned(base / "timed" / "joint one-shot, 40 epochs", 0.97, 0.9, 0.9)
    return tmp_path


def test_runs_become_tables_and_pictures_beside_them(out):
    assert call("collect.py", out).returncode == 0
    found = json.loads((out / "results" / "vgg16.json").read_text())
    assert found["taylor"]["1"]["0"]["retries"] == 1
    drawn = call("redraw.py", out)
    assert drawn.returncode == 0, drawn.stderr
    text = (out / "tables.md").read_text()
    sd = 100 * statistics.stdev([0.97, 0.92])
    assert f"| 24 | 94.5 ± {sd:.1f} | 96.0 ± 0.0 | 100.0 ± 0.0 | 97.0 ± 1.4 |" in text  # after fine-tuning
    assert "| Taylor, 1 epoch | 97 | 9 | 2 | 6 |\n| joint one-shot, 40 epochs | 97 | 9 | 2 | 6 |" in text  # seconds
    assert "| 1 | 5 | 1.0 | 1 1 |" in text  # epochs
    assert "| K-nearest neighbours | 91.0 ± 1.4 | 2.0 | 0.50 |" in text
    assert "| Taylor, 1 epoch | 12 | 18.2 ± 8.6 | 24 12 |" in text  # three points under 96 % of the validation images
    assert (out / "accuracy.png").stat().st_size > 0 and (out / "layers.png").stat().st_size > 0


def test_a_study_that_is_half_done_is_collected_as_far_as_it_is(out):
    cells = out / "vgg16" / "compare" / "cells"
    (out / "vgg16" / "dense" / "2").mkdir()  # stopped
    for fold in ("0", "1"):
        (cells / f"easiedge-global-filters_removed-0.2425-seed{fold}" / "metrics.json").unlink()
        (cells / f"joint-one-shot-global-filters_removed-0.2425-seed{fold}").rename(
            cells / f"random-global-filters_removed-0.2425-seed{fold}"
        )
    (out / "vgg16" / "taylor" / "1_1" / "metrics.json").unlink()
    assert call("collect.py", out, "--into", out / "new" / "folder").returncode == 0
    drawn = call("redraw.py", out / "new" / "folder")
    assert drawn.returncode == 0 and "Warning" not in drawn.stderr
    text = (out / "new" / "folder" / "tables.md").read_text()
    assert "| filters gone [%] | Taylor, 1 epoch | random | joint one-shot, 40 epochs |" in text
    assert "| 24 | 97.0 (1) | 100.0 ± 0.0 | 97.0 ± 1.4 |" in text


def test_dense_runs_that_did_not_end_and_those_of_another_study_are_refused(out):
    assert call("collect.py", out).returncode == 0
    home = out / "vgg16" / "dense" / "0" / "metrics.json"
    home.write_text(home.read_text().replace("0.98", "0.97"))
    other = call("collect.py", out, "--into", out)
    assert other.returncode == 2 and "fold 0's dense network has 0.9700 here and 0.9800" in other.stderr
    for fold in ("0", "1"):
        (out / "vgg16" / "dense" / fold / "metrics.json").unlink()
    none = call("collect.py", out)
    assert none.returncode == 2 and "holds no finished run" in none.stderr and "Traceback" not in none.stderr


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    yield importlib.import_module("study")
    del sys.modules["study"]


@pytest.mark.parametrize("network", ["vgg16", "resnet18", "vgg16_imagenet"])
def test_every_command_composes(study, network, tmp_path):
    given = ["data.root=x", "folds.count=3", *(["transfer=w.safetensors"] if network == "vgg16" else [])]
    steps = study.commands(network, tmp_path, given)
    assert {step.split()[0] for step in steps} == {
        "dense",
        "taylor",
        "rule",
        "longer",
        "classifiers",
        "compare",
        "timed",
        "bench",
    }
    for step, (command, *overrides) in steps.items():
        if command == "bench":
            continue
        given = [o for o in overrides if o != "-m"]
        first = [o.split(",")[0] if o.startswith(("seed=", "schedule.", "budget.")) else o for o in given]
        cfg = composed(conf_dir(), first)
        assert cfg.folds.count == 3, step
        assert ("seed=0,1,2" in overrides) == ("-m" in overrides), step
        assert command != "compare" or request_of(cfg.compare, 0).seeds == (0, 1, 2)


def test_what_is_collected_into_a_folder_stays_beside_what_was_there(out, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert call("collect.py", out, "--into", elsewhere).returncode == 0
    (out / "vgg16" / "taylor" / "1_0" / "metrics.json").unlink()
    assert call("collect.py", out, "--into", elsewhere).returncode == 0
    assert set(json.loads((elsewhere / "results" / "vgg16.json").read_text())["taylor"]["1"]) == {"0", "1"}
    assert not (out / "results").exists()


@pytest.mark.parametrize(
    ("script", "given", "said"),
    [
        ("collect.py", ["nowhere"], "holds no runs of study.py"),
        ("collect.py", [], "usage"),
        ("redraw.py", ["nowhere"], "run collect.py first"),
        (
            "study.py",
            ["vgg16", "out", "--only=dens", "transfer=w"],
            "choose of dense, taylor, rule, longer, classifiers, compare, timed, bench",
        ),
        ("study.py", ["vgg16", "out", "data.root=x"], "vgg16 has no weights to transfer: give transfer=FILE"),
        ("study.py", ["resnet18", "out", "model.pretrained=false"], "resnet18 has no weights to transfer"),
        ("study.py", ["vgg19", "out"], "usage"),
    ],
)
def test_what_cannot_be_meant_is_said(script, given, said, tmp_path):
    found = call(script, *given, cwd=tmp_path)
    assert found.returncode == 2 and said in found.stderr and "Traceback" not in found.stderr
    assert list(tmp_path.iterdir()) == []
