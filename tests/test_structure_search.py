"""easiedge search on the command line: run directory, going on after a stop, families, export, wrong requests."""

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

import easiedge
from easiedge.cli import run
from easiedge.data.breast_cancer import BreastCancer
from easiedge.deploy.c.compiler import host_compiler
from easiedge.errors import EasiEdgeError
from easiedge.report.runs import read_run
from easiedge.training.evaluate import accuracy
from easiedge.training.resume.memory import StageMemory

QUICK = [
    "search", "data=breast_cancer", "model=nn1", "model.widths=[5,3]", "recipe.train.epochs=8", "recipe.finetune.epochs=2", "calibration.images=64",
    "trainer.progress=false", "logger=none", "search.tq.enabled=false",
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("elsewhere")


def metrics(folder):
    return json.loads((Path(folder) / "metrics.json").read_text())


def rows_of(folder):
    return list(csv.DictReader((folder / "search.csv").read_text().splitlines()))


def weights_of(folder):
    return dict(easiedge.load(Path(folder) / "pruned").state_dict())


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A finished search with everything."""
    folder = tmp_path_factory.mktemp("found") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        assert run([*QUICK, "search=jump_grs", "search.tq.enabled=true", f"hydra.run.dir={folder}"]) == 0
    return folder


def test_the_run_directory_says_what_was_found(found):
    figures, data = metrics(found), BreastCancer()
    data.setup()
    network, dense = easiedge.load(found / "pruned"), easiedge.load(found / "dense")
    batches = list(data.test_dataloader())
    assert figures["pruned"]["accuracy"] == pytest.approx(accuracy(network, batches))
    assert figures["dense"]["accuracy"] == pytest.approx(accuracy(dense, batches))
    assert figures["search"]["structured"]["accuracy"] == pytest.approx(
        accuracy(easiedge.load(found / "structured"), batches)
    )
    widths = [m.out_features for m in network.modules() if isinstance(m, nn.Linear)][:-1]
    assert sum(widths) == figures["pruned"]["filters"] < 8
    assert figures["pruned"]["params"] == sum(p.numel() for p in network.parameters())
    assert figures["search"]["structured"]["PCI"] == pytest.approx(
        1 - figures["pruned"]["params"] / figures["dense"]["params"]
    )
    validation = accuracy(easiedge.load(found / "structured"), list(data.val_dataloader()))
    assert validation >= figures["search"]["T"] * figures["search"]["dense_val_accuracy"] - 1e-9
    assert figures["method"] == "jump_grs" and figures["model"] == "nn1"


def test_steps_are_rows_and_a_picture(found):
    rows = rows_of(found)
    assert len(rows) == metrics(found)["search"]["steps"] and {r["family"] for r in rows} == {"nn1"}
    assert rows[0]["phase"] == "far 1" and rows[0]["candidates"] == "3"
    assert sum(int(r["candidates"]) for r in rows) == metrics(found)["search"]["candidates"]
    with Image.open(found / "search.png") as picture:
        assert picture.width > 500


def test_a_report_takes_it_for_a_run(found):
    known = read_run(found)
    assert known.method == "jump_grs" and known.scope is None
    assert known.removed("filters") == pytest.approx(1 - metrics(found)["pruned"]["filters"] / 8)


def test_it_exports_to_c_and_predicts(found, tmp_path, capsys):
    try:
        host_compiler()
    except EasiEdgeError as reason:
        pytest.skip(str(reason))
    assert run(["export", str(found), "--to", "c"]) == 0
    data = BreastCancer()
    data.setup()
    Image.fromarray(data.test.pixels[0, 0].numpy()).save(tmp_path / "sample.png")
    capsys.readouterr()
    assert run(["predict", str(found), str(tmp_path / "sample.png"), "--json"]) == 0
    network = easiedge.load(found / "pruned")
    best = network(data.evaluation_batches("test")[0][0][:1]).argmax(1)
    assert data.class_names[int(best)] in capsys.readouterr().out


def test_the_same_seed_finds_the_same_and_a_finished_search_is_not_done_again(found, tmp_path, capsys):
    again = [*QUICK, "search=jump_grs", "search.tq.enabled=true", f"hydra.run.dir={tmp_path / 'again'}"]
    assert run(again) == 0
    assert all(torch.equal(t, weights_of(found)[n]) for n, t in weights_of(tmp_path / "again").items())
    written = (tmp_path / "again" / "metrics.json").stat().st_mtime_ns
    assert run(again) == 0 and (tmp_path / "again" / "metrics.json").stat().st_mtime_ns == written


def test_a_stopped_search_goes_on_and_ends_as_one_that_was_not(tmp_path, monkeypatch):
    search = [*QUICK, "search=grs"]
    assert run([*search, f"hydra.run.dir={tmp_path / 'whole'}"]) == 0
    saved, save = [], StageMemory.save

    def stops(self, step, content):
        save(self, step, content)
        saved.append(step)
        if "steps" in content and len(content["steps"]) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StageMemory, "save", stops)
        assert run([*search, f"hydra.run.dir={tmp_path / 'stopped'}"]) == 130
    assert not (tmp_path / "stopped" / "metrics.json").exists()
    trained = []
    monkeypatch.setattr("easiedge.structure_search.begun", lambda *a: trained.append(a))
    assert run(["search", f"resume={tmp_path / 'stopped'}"]) == 0
    assert not trained  # the search went on, it did not begin
    whole, stopped = metrics(tmp_path / "whole"), metrics(tmp_path / "stopped")
    assert whole["pruned"] == stopped["pruned"] and whole["search"]["steps"] == stopped["search"]["steps"]
    ours = weights_of(tmp_path / "stopped")
    assert all(torch.equal(t, ours[n]) for n, t in weights_of(tmp_path / "whole").items())


def test_several_families_and_the_one_that_is_chosen(tmp_path):
    out = tmp_path / "run"
    quick = [q for q in QUICK if not q.startswith("model")]
    assert run([*quick, "search=jump_grs", "search.families=[nn2,nn1]", f"hydra.run.dir={out}"]) == 0
    families = metrics(out)["search"]["families"]
    assert list(families) == ["nn2", "nn1"] and {r["family"] for r in rows_of(out)} == {"nn1", "nn2"}
    best = min(families, key=lambda name: families[name]["params"])
    assert metrics(out)["model"] == best and metrics(out)["pruned"]["params"] == families[best]["params"]
    for name in families:
        assert sum(p.numel() for p in easiedge.load(out / "designs" / name).parameters()) == families[name]["params"]
    assert families["nn1"]["dense"]["params"] == 1674


def test_mnist_on_some_of_its_images(shared_data, tmp_path):
    out = tmp_path / "run"
    request = [
        "search", "data=mnist", f"data.root={shared_data}", "data.download=false", "model=nn2", "model.widths=[6]", "search=joint_information_gain",
        "search.images=200", "search.tq.enabled=false", "recipe.train.epochs=1", "recipe.finetune.epochs=1", "calibration.images=64",
        "+trainer.options.limit_train_batches=40", "trainer.progress=false", "logger=none", f"hydra.run.dir={out}",
    ]  # fmt: skip
    assert run(request) == 0
    assert metrics(out)["pruned"]["val_accuracy"] >= 0.985 * metrics(out)["search"]["dense_val_accuracy"] - 1e-9


def test_from_given_weights_nothing_is_trained_before(found, tmp_path):
    out = tmp_path / "run"
    assert (
        run(
            [
                *QUICK,
                "search=joint_information_gain",
                f"weights={found / 'dense' / 'model.safetensors'}",
                f"hydra.run.dir={out}",
            ]
        )
        == 0
    )
    assert metrics(out)["dense"]["accuracy"] == metrics(found)["dense"]["accuracy"] and not (out / "dense").exists()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["search.images=1"], "search.images=1 leaves a class without a training image"),
        (["search.T=0"], "search.T=0 is outside (0, 1]"),
        (["search=all"], "search=all is unknown"),
        (["budget.macs_removed=0.5"], "budget.macs_removed=0.5 is for easiedge prune"),
        (["model.widths=[1,1]"], "has one unit already (hidden1, hidden2)"),
        (["search.original=1.0", "search.T=1.0"], "cannot reach the threshold at the start"),
        (["search.start=scratch", "search.epochs=1", "recipe.finetune.lr=1e-9"], "trained from scratch for 1 epochs"),
        (["recipe.train.lr=1e-9", "recipe.train.epochs=1"], "no better than always saying the largest class"),
        (["data=two_digits", "data.classes=[3,12]"], "class 12 of data.classes=[3, 12] is empty"),
        (["data=two_digits", "data.classes=[3]"], "at least two different digits"),
        (["data=simulated_calcium", "data.active=0"], "no frame of the class 'active'"),
        (["model=cnn1", "model.widths=[4]"], "too small for 1 convolutions"),
    ],
)  # fmt: skip
def test_wrong_requests_are_one_line(tmp_path, capsys, wrong, says):
    assert run([*QUICK, *wrong, f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("easiedge: ") and says in said and not (tmp_path / "run" / "metrics.json").exists()


def test_a_class_without_images_is_named(tmp_path, capsys, monkeypatch):
    prepare = BreastCancer.prepare

    def third(self):
        prepare(self)
        self.class_names = [*self.class_names, "unknown"]

    monkeypatch.setattr(BreastCancer, "prepare", third)
    assert run([*QUICK, f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    assert "class 'unknown' is empty" in capsys.readouterr().err
