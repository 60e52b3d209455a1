"""The command line: what it makes, and how it refuses."""

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import wandb
import wandb_file
from PIL import Image
from safetensors.torch import load_file

import easiedge
from easiedge.cli import COMMANDS, conf_dir, run
from easiedge.data.digits import Digits
from easiedge.report.runs.metrics_file import read_metrics
from easiedge.training.evaluate import accuracy

QUICK = [
    "recipe.train.epochs=4", "recipe.admm.epochs=1", "schedule.iterations=2", "recipe.finetune.epochs=1", "calibration.images=128",
    "trainer.progress=false",
]  # fmt: skip


pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run of the main job that many tests look at."""
    folder = tmp_path_factory.mktemp("run") / "out"
    asked = ["schedule.stopping.unchanged=9", "logger=csv", "seed=7", "budget.filters_removed=0.6"]
    assert run(["prune", *QUICK, *asked, f"hydra.run.dir={folder}"]) == 0
    return folder


def test_metrics_are_complete_and_true(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["schema"] == 1 and metrics["seed"] == 7
    assert (metrics["method"], metrics["data"], metrics["model"]) == ("easiedge", "digits", "lenet")
    dense, pruned, achieved = metrics["dense"], metrics["pruned"], metrics["budget"]["achieved"]
    assert 0.6 <= achieved["filters_removed"] <= 0.6 + 1 / dense["filters"]
    for quantity in ("filters", "params", "macs"):
        assert achieved[f"{quantity}_removed"] == pytest.approx(1 - pruned[quantity] / dense[quantity])
    assert len(metrics["admm"]["iterations"]) == 2
    data = Digits()
    data.setup()
    network = easiedge.load(finished / "pruned")
    assert accuracy(network, data.test_dataloader()) == pytest.approx(pruned["accuracy"])
    x = data.calibration_batches(2)[0][0]
    assert easiedge.count(network, x) == {"params": pruned["params"], "macs": pruned["macs"]}
    assert metrics["equivalence"]["max_abs_diff"] < 1e-3 and metrics["equivalence"]["images"] == len(data.val)
    assert metrics["seconds"]["total"] >= metrics["seconds"]["train"] > 0


def test_the_test_set_need_not_be_read_under_gates(finished, tmp_path):
    quick = [q for q in QUICK if not q.startswith("schedule.")]
    quick += ["method=one_shot", f"weights={finished / 'dense/model.safetensors'}", "seed=7", "logger=none"]
    found = {}
    for asked in ("true", "false"):
        assert run(["prune", *quick, f"masked_test={asked}", f"hydra.run.dir={tmp_path / asked}"]) == 0
        found[asked] = read_metrics(tmp_path / asked / "metrics.json")
    assert found["true"]["masked"]["accuracy"] == found["true"]["pruned"]["accuracy_before_finetune"]
    assert found["false"]["masked"]["accuracy"] is None
    assert found["false"]["pruned"] == found["true"]["pruned"] and found["false"]["dense"] == found["true"]["dense"]
    assert found["false"]["equivalence"]["images"] > 0


def test_what_its_user_needs_travels_with_the_network(finished):
    found, metrics = easiedge.read_provenance(finished / "pruned"), json.loads((finished / "metrics.json").read_text())
    assert found["metrics"] == metrics and found["classes"] == [str(d) for d in range(10)]
    assert found["input"]["shape"] == [1, 8, 8] and found["input"]["mean"] == [0.3]
    assert found["config"]["budget"]["filters_removed"] == 0.6 and found["versions"]["torch"] == torch.__version__
    kept = {name: len(group["kept"]) for name, group in found["pruned"].items()}
    assert sum(kept.values()) == metrics["pruned"]["filters"]
    assert sum(group["units"] for group in found["pruned"].values()) == metrics["dense"]["filters"]
    dense = (finished / "dense" / "model.safetensors").read_bytes()
    assert found["from"] == {"file": "model.safetensors", "sha256": hashlib.sha256(dense).hexdigest()}
    assert "pruned" not in easiedge.read_provenance(finished / "dense")


def test_layers_add_up(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    rows = list(csv.DictReader((finished / "layers.csv").read_text().splitlines()))
    assert [r["layer"] for r in rows] == ["conv1", "conv2", "fc1", "fc2"]
    for when, network in (("before", "dense"), ("after", "pruned")):
        assert sum(int(r[f"macs_{when}"]) for r in rows) == metrics[network]["macs"]
        assert sum(int(r[f"units_{when}"]) for r in rows if r["group"]) == metrics[network]["filters"]


def test_the_run_directory_holds_what_was_promised(finished):
    for name in (
        "config.yaml",
        "run.png",
        "layers.png",
        "run.log",
        "pruned/model.safetensors",
        "pruned/architecture.json",
        "pruned/provenance.json",
        "dense/model.safetensors",
        "csv/metrics.csv",
    ):
        assert (finished / name).stat().st_size > 0, name
    header = (finished / "csv" / "metrics.csv").read_text().splitlines()[0]
    assert "admm/primal_residual" in header and "finetune/val_accuracy" in header


def test_the_dense_weights_of_a_run_start_another_with_every_method(finished):
    for method in ("one_shot", "iterative", "l1_layerwise", "matrix_based", "reduce_and_reuse"):
        overrides = [o for o in QUICK if "schedule" not in o and "train.epochs" not in o] + ["logger=none"]
        extra = ["schedule.steps=2"] if method in ("iterative", "matrix_based") else []
        folder = f"hydra.run.dir={method}"
        assert (
            run(
                [
                    "prune",
                    f"method={method}",
                    f"weights={finished / 'dense' / 'model.safetensors'}",
                    *overrides,
                    *extra,
                    folder,
                ]
            )
            == 0
        )
        metrics = json.loads(Path(method, "metrics.json").read_text())
        assert metrics["method"] == method and metrics["seconds"]["train"] == 0
        first = json.loads((finished / "metrics.json").read_text())
        assert metrics["dense"]["accuracy"] == first["dense"]["accuracy"]


def test_a_run_that_fails_is_ended_in_wandb_too(capsys):
    assert run(["prune", *QUICK, "recipe.admm.lr=1e30", "hydra.run.dir=out"]) == 2
    assert wandb.run is None
    (record,) = Path("out/wandb").glob("offline-run-*/run-*.wandb")
    assert record.stat().st_size > 0
    capsys.readouterr()


def test_a_sweep_makes_a_directory_for_each_job(tmp_path):
    quick = [o for o in QUICK if "schedule" not in o]
    assert run(["prune", "-m", *quick, "logger=none", "method=one_shot", "hydra.sweep.dir=s", "seed=0,1"]) == 0
    seeds = [json.loads((tmp_path / "s" / job / "metrics.json").read_text())["seed"] for job in ("0", "1")]
    assert seeds == [0, 1]


def test_own_images_from_a_folder(tmp_path):
    generator = np.random.default_rng(0)
    for label, level in (("dark", 60), ("light", 190)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(24):
            pixels = generator.normal(level, 30, (20, 20, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.png")
    status = run([
        "prune", "data=image_folder", "data.root=photos", "data.image_size=16", "data.batch_size=8", "model=torchvision", "model.name=squeezenet1_1",
        "data.image_size=32", *QUICK, "calibration.images=16", "logger=none", "hydra.run.dir=out", "schedule.iterations=1",
    ])  # fmt: skip
    assert status == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["model"] == "squeezenet1_1"


SCORE = [
    "score", "fidelity.removed=[0.3,0.6]", "fidelity.share=0.05", "calibration.images=64", "trainer.progress=false",
    "fidelity.criteria=[taylor_information_gain,joint_information_gain,'taylor_information_gain probe=exact',random]",
]  # fmt: skip


def test_score_writes_tables_pictures_and_scores(finished, tmp_path, capsys):
    weights = f"weights={finished / 'dense' / 'model.safetensors'}"
    compensation = "fidelity.compensation=[none,least_squares]"
    assert run([*SCORE, weights, compensation, "logger=wandb", "hydra.run.dir=out"]) == 0
    record = json.loads(Path("out/fidelity.json").read_text())
    by_name = {row["criterion"]: row for row in record["criteria"]}
    assert record["oracle"]["units"] == by_name["oracle"]["passes"] == 28
    assert by_name["taylor_information_gain probe=exact"]["spearman"] > 0.9 > by_name["random"]["spearman"]
    assert by_name["taylor_information_gain"]["passes"] == 1 and by_name["random"]["passes"] == 0
    for row in record["criteria"][1:]:
        assert row["spearman_low"] <= row["spearman"] <= row["spearman_high"] and 0 <= row["overlap_0.5"] <= 1
    assert len(record["curves"]) == 4 * 2 * 2 * 2
    for row in record["curves"]:
        assert row["low"] <= row["accuracy"] <= row["high"] and row["behind_low"] <= row["behind"] <= row["behind_high"]
        assert 0 < row["macs_kept"] < 1 and row["behind"] >= 0
        best = max(
            r["accuracy"] for r in record["curves"] if all(r[k] == row[k] for k in ("scope", "compensation", "removed"))
        )
        assert row["behind"] == pytest.approx(best - row["accuracy"])
    for name in ("criteria.csv", "layers.csv", "curves.csv", "scatter.png", "curves.png", "scores.safetensors"):
        assert Path("out", name).stat().st_size > 0, name
    saved = load_file("out/scores.safetensors")
    assert saved["random/conv1"].shape == saved["taylor_information_gain/conv1"].shape
    (log,) = Path("out/wandb").glob("offline-run-*/run-*.wandb")
    assert not wandb_file.missing(log, (b"criteria", b"curves", b"scatter", b"spearman/random"))
    text = capsys.readouterr().out
    assert "joint_information_gain" in text and "overlap of the least important" in text
    lines = Path("out/oracle.jsonl").read_text()
    assert run([*SCORE, weights, "logger=none", "hydra.run.dir=out"]) == 0
    assert Path("out/oracle.jsonl").read_text() == lines  # measured once


def test_score_walks_the_curves_by_turns(finished):
    weights = f"weights={finished / 'dense' / 'model.safetensors'}"
    criteria = "fidelity.criteria=[joint_information_gain,taylor_information_gain]"
    turns = [
        weights,
        criteria,
        "fidelity.oracle=false",
        "fidelity.scopes=[global]",
        "fidelity.chunk=0.2",
        "fidelity.removed=[0.2,0.6]",
    ]
    both = "fidelity.compensation=[none,least_squares]"
    assert run([*SCORE[:1], *turns, both, "calibration.images=128", "logger=none", "hydra.run.dir=out"]) == 0
    record = json.loads(Path("out/fidelity.json").read_text())
    assert record["oracle"] == {} and not Path("out/scatter.png").exists()
    assert {(r["criterion"], r["compensation"], r["removed"]) for r in record["curves"]} == {
        (c, fit, share) for c in ("joint_information_gain", "taylor_information_gain") for fit in ("none", "least_squares") for share in (0.2, 0.6)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prune", "budget.filters_removed=1.5"], "outside [0, 1)"),
        (["prune", "budget.filters_removed=many"], "not a number"),
        (["prune", "budget.macs_removed=0.999"], "out of reach"),
        (["prune", "budget.latency_ms_max=3"], "needs to know the device"),
        (["prune", "data=no_such_data"], "cifar10, cifar100, digits, image_folder, imagenet, mnist"),
        (["prune", "scoring=magic"], "joint_information_gain"),
        (["prune", "no_key=3"], "no_key"),
        (["prune", "seed=x"], "seed=x"),
        (["prune", "calibration.images=many"], "wrong kind"),
        (["prune", "model=vgg16"], "does not take images of 1x8x8"),
        (["prune", "model=torchvision", "model.name=resnet180"], "resnet18"),
        (["prune", "data=image_folder"], "data.root"),
        (["prune", "data=image_folder", "data.root=nowhere"], "does not exist"),
        (["prune", "data=mnist", "data.root=nowhere", "data.download=false"], "holds no MNIST"),
        (["prune", "weights=nowhere.pt"], "not a file"),
        (["prune", "projection.min_units=0"], "at least 1"),
        (["prune", "projection.min_units=many"], "must be a whole number of units"),
        (["prune", "projection.collapse=explode"], "choose one of warn, error, ignore"),
        (["prune", "projection=layerwise", "projection.collapse_share=1.5"], "collapse_share=1.5 is outside (0, 1)"),
        (["prune", "schedule.iterations=0"], "iterations"),
        (["prune", "recipe.train.lr=-1"], "lr"),
        (["prune", "groups.exclude=['*']"], "leave none"),
        (["prune", "data.batch_size=1", *QUICK], "single image"),
        (["prune", "logger.online=true"], "key"),
        (["prune", "-m", "data=zzz", "seed=0,1"], "cifar10"),
        (["export"], "required: RUN_DIR"),
        (["predict", "nowhere"], "required: IMAGE"),
        (["predict", "nowhere", "a.png"], "nowhere does not exist"),
        (["export", "nowhere"], "nowhere does not exist"),
        (["prune", "calibration.images=100000"], "more than the"),
        (["score", "fidelity.criteria=[magic]"], "unknown criterion 'magic'"),
        (
            ["score", "fidelity.criteria=['taylor_information_gain colour=1']"],
            "not an option of taylor_information_gain",
        ),
        (["score", "fidelity.criteria=['taylor_information_gain probe=magic']", *QUICK], "unknown probe"),
        (["score", "fidelity.criteria=[]"], "is empty"),
        (["score", "fidelity.share=0"], "outside (0, 1]"),
        (["score", "fidelity.removed=[1.0]"], "between 0 and 1"),
        (["score", "fidelity.scopes=[everywhere]"], "global, layerwise"),
        (["score", "fidelity.compensation=[magic]"], "none, least_squares"),
        (["score", "fidelity.chunk=0"], "outside (0, 1]"),
        (["score", *SCORE[2:], "fidelity.chunk=0.4", *QUICK], "no whole number of chunks"),
        (["score", *SCORE[2:], "fidelity.removed=[0.3,0.9]", "projection.max_ratio=0.5", *QUICK], "out of reach"),
        (["score", "fidelity.split=train"], "choose one of test, val"),
        (["score", "fidelity.share=abc"], "fidelity.share=abc is outside (0, 1]"),
        (["score", "fidelity.share=null"], "fidelity.share=None is outside (0, 1]"),
        (["score", "fidelity.criteria=null"], "must be a list"),
        (["score", "fidelity.removed=0.5"], "must be a list: write 'fidelity.removed=[0.5]'"),
        (["score", "fidelity.removed=[x]"], "fidelity.removed holds x"),
        (["score", "fidelity.scopes=global"], "must be a list: write 'fidelity.scopes=[global]'"),
        (["score", "fidelity.compensation=none"], "must be a list"),
        (["score", "fidelity.chunk=x"], "fidelity.chunk=x"),
        (["score", "fidelity.images=abc"], "fidelity.images=abc must be a whole number"),
        (["score", "fidelity.oracle=maybe"], "true or false"),
        (["score", "fidelity.criteria=['taylor_information_gain passes=1.5']"], "passes=1.5"),
        (["score", "fidelity.criteria=['taylor_information_gain passes=two']"], "passes='two'"),
        (["score", "fidelity.criteria=['taylor_information_gain tutor=x']"], "'tutor=x' is not an option"),
        (["score", "fidelity.criteria=['l1_magnitude model=3']"], "'model=3' is not an option"),
        (["score", "fidelity.criteria=[information_gain]"], "fidelity.oracle=true"),
        (["score", "seed=-1"], "seed=-1"),
        (["prune", "scoring.options.passes=1.5"], "passes=1.5"),
        (["prune", "compensation.ridge=0"], "ridge=0"),
        (["prune", "compensation.positions=0"], "positions=0"),
        (["score", "compensation.ridge=-1"], "ridge=-1"),
        (["score", "fidelity.images=5000"], "fidelity.images=5000 is more than"),
        (["no_such_command"], "unknown command"),
        (["prune", "hydra.run.dir=/proc/nowhere"], "cannot be written"),
    ],
)
def test_wrong_requests_are_refused_in_one_line_with_status_2(arguments, message, capsys, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    extra = ["logger=none"] if arguments[0] == "prune" and not any("logger" in a for a in arguments) else []
    assert run([*arguments, *extra]) == 2
    err = capsys.readouterr().err
    (line,) = [x for x in err.splitlines() if x.startswith("easiedge:")]
    assert message in line
    assert "Traceback" not in err


def test_training_that_blows_up_says_so_and_keeps_the_last_good_state(capsys):
    assert run(["prune", *QUICK, "logger=none", "recipe.admm.lr=1e30", "hydra.run.dir=out"]) == 2
    err = capsys.readouterr().err
    assert "not finite" in err and "admm-last-good.safetensors" in err
    (saved,) = Path("out/checkpoints").glob("admm-last-good.safetensors")
    assert all(bool(torch.isfinite(v).all()) for v in load_file(saved).values())


def test_a_collapse_may_be_an_error_and_the_dense_weights_stay(capsys):
    request = ["prune", *QUICK, "logger=none", "budget.filters_removed=0.9", "projection.collapse=error"]
    assert run([*request, "hydra.run.dir=out"]) == 2
    err = capsys.readouterr().err
    (line,) = [x for x in err.splitlines() if x.startswith("easiedge:")]
    assert "of 500 kept)" in line and "projection.max_ratio=0.95" in line and "Traceback" not in err
    assert "ADMM 1" not in err  # before ADMM's training, not after
    assert not Path("out/pruned").exists()
    weights = "weights=out/dense/model.safetensors"
    assert run([*request, weights, "projection.max_ratio=0.95", "hydra.run.dir=mended"]) == 0
    assert json.loads(Path("mended/metrics.json").read_text())["budget"]["achieved"]["filters_removed"] >= 0.9


def test_the_run_ends_with_a_bar_for_each_layer_and_marks_collapsed_ones(finished, capsys):
    weights = f"weights={finished / 'dense' / 'model.safetensors'}"
    request = ["prune", *(o for o in QUICK if "schedule" not in o), "method=one_shot", "logger=none", weights]
    assert run([*request, "budget.filters_removed=0.9", "hydra.run.dir=out"]) == 0
    out, err = capsys.readouterr()
    rows = {r["layer"]: r for r in csv.DictReader(Path("out/layers.csv").read_text().splitlines())}
    lines = {line.split()[0]: line for line in out.splitlines() if line.split() and line.split()[0] in rows}
    assert list(lines) == ["conv1", "conv2", "fc1"]
    for layer, line in lines.items():
        assert f" {rows[layer]['units_after']} of {rows[layer]['units_before']} " in line
    assert lines["fc1"].endswith("!") and not lines["conv1"].endswith("!")
    assert out.index("the network is in") < out.index(lines["conv1"])
    assert err.count("over 95 %") == 1 and f"fc1 ({rows['fc1']['units_after']} of 500 kept)" in err


def test_weights_that_do_not_fit_are_named(capsys):
    torch.save({"conv1.weight": torch.zeros(3)}, "w.pt")
    assert run(["prune", "logger=none", "weights=w.pt"]) == 2
    assert "missing: bn1.weight" in capsys.readouterr().err


def test_help_names_every_command_and_version_is_quick():
    for flag in ("--help", "--version"):
        shown = subprocess.run(
            [sys.executable, "-m", "easiedge", flag], capture_output=True, text=True, check=True
        ).stdout
        assert shown.strip()
    assert all(
        c
        in subprocess.run(
            [sys.executable, "-m", "easiedge", "--help"], capture_output=True, text=True, check=True
        ).stdout
        for c in COMMANDS
    )


def test_the_configuration_travels_with_the_package():
    assert (conf_dir() / "config.yaml").is_file()
