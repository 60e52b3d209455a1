"""The jobs of a sweep share what they can, and end exactly as they would alone."""

import json
from pathlib import Path

import pytest
import yaml

from easiedge.cli import run
from easiedge.scoring import score_store
from easiedge.training.stages import Stages

QUICK = [
    "recipe.train.epochs=2", "recipe.finetune.epochs=1", "calibration.images=64", "trainer.progress=false", "logger=csv",
    "scoring.chunk=0.1", "groups.exclude=[fc1]",
]  # fmt: skip
METHODS = {
    "one_shot": [],
    "easiedge": ["recipe.admm.epochs=1", "schedule.iterations=1", "schedule.chunk=0.1"],
    "iterative": ["schedule.steps=2"],
}

pytestmark = [
    pytest.mark.usefixtures("elsewhere"),
    pytest.mark.filterwarnings("ignore:Experiment logs directory"),  # a sweep that is started again into its folder
]


@pytest.fixture
def work(monkeypatch):
    """What the jobs did: ``train`` for a dense training, ``score`` for a scoring that was not looked up."""
    done = []
    train, score = Stages.train, score_store.score

    def counted_train(self, network, *, recipe="finetune", **options):
        done.extend(["train"] if recipe == "train" else [])
        return train(self, network, recipe=recipe, **options)

    def counted_score(*arguments, **options):
        done.append("score")
        return score(*arguments, **options)

    monkeypatch.setattr(Stages, "train", counted_train)
    monkeypatch.setattr(score_store, "score", counted_score)
    return done


def assert_ended_alike(job, alone):
    for name in ("dense/model.safetensors", "pruned/model.safetensors", "pruned/architecture.json", "layers.csv"):
        assert Path(job, name).read_bytes() == Path(alone, name).read_bytes(), name
    figures = [json.loads(Path(folder, "metrics.json").read_text()) for folder in (job, alone)]
    seconds = [f.pop("seconds") for f in figures]
    assert figures[0] == figures[1]
    assert seconds[0]["train"] == 0 < seconds[1]["train"]


@pytest.mark.parametrize(("method", "scored", "again"), [("one_shot", 5, 4), ("easiedge", 8, 9), ("iterative", 2, 1)])
def test_a_later_job_trains_nothing_anew_and_ends_as_it_would_alone(work, method, scored, again):
    """Budgets 0.3 and 0.5 in chunks of 0.1: the first three turns at the dense network are the same, in both ways."""
    options = [*QUICK, f"method={method}", *METHODS[method]]
    assert run(["prune", "-m", *options, "budget.filters_removed=0.3", "hydra.sweep.dir=s"]) == 0
    assert work == ["train", *["score"] * scored]
    work.clear()
    assert (
        run(["prune", "-m", *options, "budget.filters_removed=0.3,0.5", "hydra.sweep.dir=s"]) == 0
    )  # the first one once more
    assert work == ["score"] * again
    log = Path("s/1/run.log").read_text()
    assert "those that job 0 of this sweep trained" in log and "computed before" in log
    assert yaml.safe_load(Path("s/1/csv/hparams.yaml").read_text())["dense/trained_by_job"] == "0"
    work.clear()
    assert run(["prune", *options, "budget.filters_removed=0.5", "hydra.run.dir=alone"]) == 0
    assert work[0] == "train" and {*work[1:]} == {"score"}  # nothing is found that another run has made
    assert_ended_alike("s/1", "alone")
    assert not Path("shared").exists() and not Path("alone/shared").exists()


def test_other_seeds_train_and_score_for_themselves_and_scopes_share(work):
    options = ["prune", "-m", *QUICK, "method=one_shot", "budget.filters_removed=0.1", "hydra.sweep.dir=s"]
    assert run([*options, "seed=0,1", "projection=global,layerwise"]) == 0
    assert work == ["train", "score"] * 2
    seeds = [json.loads(Path("s", job, "metrics.json").read_text())["dense"]["accuracy"] for job in "0123"]
    assert seeds[0] == seeds[1] and seeds[2] == seeds[3]


def test_a_damaged_entry_costs_its_computation_and_nothing_else(work):
    options = ["prune", "-m", *QUICK, "method=one_shot", "budget.filters_removed=0.1", "hydra.sweep.dir=s"]
    assert run(options) == 0
    before = Path("s/0/pruned/model.safetensors").read_bytes()
    for entry in Path("s/shared").rglob("*.safetensors"):
        entry.write_bytes(entry.read_bytes()[:100])
    Path("s/0/checkpoints/finished.json").unlink()  # a finished job is not run again
    work.clear()
    assert run(options) == 0
    assert work == ["train", "score"]
    said = [line for line in Path("s/0/run.log").read_text().splitlines() if "made afresh" in line]
    assert [sum(f"/{kind}/" in line for line in said) for kind in ("dense", "scores")] == [1, 1]
    assert Path("s/0/pruned/model.safetensors").read_bytes() == before


def test_given_weights_are_shared_too(work):
    options = [*QUICK, "method=one_shot", "budget.filters_removed=0.1"]
    assert run(["prune", *options, "hydra.run.dir=first"]) == 0
    work.clear()
    weights = "weights=first/dense/model.safetensors"
    assert run(["prune", "-m", *options, weights, "hydra.sweep.dir=s", "projection=global,layerwise"]) == 0
    assert work == ["score"]
    assert not Path("s/shared/dense").exists()
