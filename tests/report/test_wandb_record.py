"""What a run leaves in W&B offline is read back from its file: configuration, summary, curves, table, pictures, network."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest
import wandb
import wandb_file
import wandb_server

import easiedge
from easiedge.cli import run
from easiedge.report.wandb_record import artifact_name, shorter
from easiedge.report.workspace import PICTURES, shown_keys
from easiedge.training.loggers import make_logger

QUICK = [
    "prune", "recipe.train.epochs=4", "recipe.admm.epochs=2", "schedule.iterations=2", "schedule.stopping.unchanged=9", "recipe.finetune.epochs=2", "calibration.images=128",
    "trainer.progress=false", "seed=3", "budget.filters_removed=0.6",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One run of the main job, logged offline."""
    folder = tmp_path_factory.mktemp("run") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        patch.delenv("WANDB_DATA_DIR", raising=False)
        assert run([*QUICK, f"hydra.run.dir={folder}", "logger.group=study", "logger.tags=[mine]"]) == 0
    return folder


@pytest.fixture(scope="module")
def file(folder):
    (path,) = (folder / "wandb").glob("offline-run-*/run-*.wandb")
    return path


@pytest.fixture(scope="module")
def found(file):
    return wandb_file.logged(file)


@pytest.fixture(scope="module")
def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_configuration_group_and_tags(found):
    assert (found.run.run_group, found.run.display_name, found.exit_code) == ("study", "easiedge-lenet-digits-3", 0)
    assert list(found.run.tags) == ["easiedge", "lenet", "digits", "mine"]
    assert found.config["seed"] == 3 and found.config["budget"]["filters_removed"] == 0.6
    assert found.config["recipe"]["admm"]["epochs"] == 2
    assert found.config["study"] == {"data": "digits", "model": "lenet", "method": "easiedge", "sweep": None}


def test_the_summary_holds_accuracies_budgets_and_last_residuals(found, metrics):
    summary = found.summary
    for name in (
        "dense/accuracy",
        "masked/accuracy",
        "pruned/accuracy",
        "pruned/val_accuracy",
        "pruned/macs",
        "dense/params",
    ):
        part, key = name.split("/")
        assert summary[name] == metrics[part][key], name
    for name, value in metrics["budget"]["achieved"].items():
        assert summary[f"got/{name}"] == value
    assert summary["asked/filters_removed"] == 0.6 and summary["budget/reached"] is True
    for name, value in metrics["admm"]["iterations"][-1].items():
        assert summary[f"admm/{name}"] == value
    assert summary["admm/iterations"] == 2
    assert not [name for name in summary if name.startswith(("versions", "schema"))]


def test_the_curves_of_admm_go_iteration_by_iteration(found, metrics):
    for name in ("primal_residual", "dual_residual", "rho", "flipped", "masked_accuracy"):
        wanted = [iteration[name] for iteration in metrics["admm"]["iterations"]]
        assert found.curve(f"admm/{name}") == pytest.approx(wanted, rel=1e-6)
    assert len(found.curve("admm/val_accuracy")) == 4  # two iterations of two epochs
    assert len(found.curve("dense/val_accuracy")) == 4 and len(found.curve("finetune/val_accuracy")) == 2
    names = {name for row in found.history for name in row}
    assert not {n for n in names if n.endswith("epoch")} and "val_accuracy" not in names


def test_the_table_of_layers_is_layers_csv(found, folder, file):
    row = next(r for r in found.history if "layers.path" in r)
    table = json.loads((file.parent / "files" / row["layers.path"]).read_text())
    lines = (folder / "layers.csv").read_text().splitlines()
    assert table["columns"] == lines[0].split(",")
    assert [",".join(map(str, r)) for r in table["data"]] == lines[1:]


def test_pictures_are_among_the_run_files(found, file):
    for name in PICTURES:
        path = file.parent / "files" / found.summary[f"{name}.path"]
        assert path.read_bytes()[:4] == b"\x89PNG"


def test_the_network_is_an_artifact_with_its_figures_and_files_that_sync_will_find(found, folder, metrics):
    artifact = found.artifacts["lenet-digits-easiedge-3"]
    assert artifact.type == "model" and artifact.finalize
    facts = json.loads(artifact.metadata)
    assert facts["pruned/accuracy"] == metrics["pruned"]["accuracy"] and facts["model"] == "lenet"
    assert facts["budget/achieved/filters_removed"] >= 0.6
    files = {entry.path: entry for entry in artifact.manifest.contents}
    assert set(files) == {"architecture.json", "model.safetensors", "provenance.json"}
    for name, entry in files.items():
        here = Path(entry.local_path)
        assert here == (folder / "pruned" / name).resolve()  # where it is, no second copy
        assert hashlib.md5(here.read_bytes()).digest() == b64decode(entry.digest)
    network = easiedge.load(Path(files["model.safetensors"].local_path).parent)
    assert sum(p.numel() for p in network.parameters()) == facts["pruned/params"]


def test_nothing_of_the_run_lies_in_the_users_home(found, folder):
    tables = [a for a in found.artifacts.values() if a.type == "run_table"]
    assert len(tables) == 1
    for entry in tables[0].manifest.contents:
        assert Path(entry.local_path).is_file() and folder.resolve() in Path(entry.local_path).parents


def test_every_key_of_the_workspace_is_one_that_runs_log(found):
    names = {name for row in found.history for name in row} | set(found.summary)
    names |= {name.partition(".")[0] for name in names}  # of a picture or table: its path, size, ...
    assert shown_keys() <= names, sorted(shown_keys() - names)


def test_leet_reads_the_run(file, metrics):
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(file)]
    shown = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert metrics["pruned"]["accuracy"] in _values(shown)
    assert metrics["admm"]["iterations"][-1]["primal_residual"] in _values(shown)


def _values(tree):
    if isinstance(tree, dict):
        return [v for branch in tree.values() for v in _values(branch)]
    return [v for branch in tree for v in _values(branch)] if isinstance(tree, list) else [tree]


def test_a_method_without_admm_has_no_residuals(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    options = [o for o in QUICK if "schedule" not in o]
    weights = f"weights={folder / 'dense' / 'model.safetensors'}"
    assert run(["prune", "-m", *options[1:], "method=one_shot", weights, "hydra.sweep.dir=my-study"]) == 0
    (file,) = Path("my-study/0/wandb").glob("offline-run-*/run-*.wandb")
    found = wandb_file.logged(file)
    assert (found.run.run_group, found.run.display_name) == ("my-study", "one_shot-lenet-digits-3-0")
    assert not [name for name in found.summary if name.startswith("admm/")]
    assert found.artifacts["lenet-digits-one_shot-3"].type == "model"


def test_names_of_artifacts_and_figures():
    assert artifact_name("my model/v2: é") == "my-model-v2"
    assert artifact_name("/") == "network" and len(artifact_name("x" * 500)) == 128
    assert shorter("budget/achieved/latency_ms") == "got/latency_ms" and shorter("dense/macs") == "dense/macs"


def test_a_data_directory_that_is_set_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "own"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    from easiedge.report.record import log_tables

    log_tables(make_logger("wandb", tmp_path), {"a": 1}, {"rows": [{"x": 1}, {"y": None}]}, [])
    (file,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    (artifact,) = wandb_file.logged(file).artifacts.values()
    assert all((tmp_path / "own") in Path(e.local_path).parents for e in artifact.manifest.contents)
    assert wandb.run is None


def test_sync_sends_the_network_the_table_and_the_pictures_later(folder, file, metrics, tmp_path):
    """``wandb sync`` itself, against a server on this machine that takes everything."""
    copy = tmp_path / "wandb" / file.parent.name  # sync writes into the run's folder
    shutil.copytree(file.parent, copy)
    own = {"WANDB_API_KEY": wandb_server.KEY, "HOME": str(tmp_path), "WANDB_ERROR_REPORTING": "false"}
    with wandb_server.Server() as server:
        environment = (
            {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")} | own | {"WANDB_BASE_URL": server.url}
        )
        command = [sys.executable, "-m", "wandb", "sync", str(copy)]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    name = "lenet-digits-easiedge-3"
    for part in ("model.safetensors", "architecture.json", "provenance.json"):
        assert server.uploads[f"/artifact/{name}/{part}"] == (folder / "pruned" / part).read_bytes()
    assert name in server.committed and len(server.committed) == 2
    (model,) = (a for a in server.artifacts if a["artifactTypeName"] == "model")
    assert json.loads(model["metadata"])["pruned/accuracy"] == metrics["pruned"]["accuracy"]
    sent = " ".join(server.uploads)
    assert "layers.table.json" in sent and all(f"/run/media/images/{p}" in sent for p in PICTURES)
