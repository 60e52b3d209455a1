"""``easiedge compare`` end to end: matched, paired, kept, told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from easiedge.cli import run
from easiedge.compare import cell
from easiedge.compare.launch import Launcher, Watch
from easiedge.errors import EasiEdgeError
from easiedge.report.page.sections import sections_of
from easiedge.report.runs import find_runs
from easiedge.run_lock import locked

QUICK = ["recipe.train.epochs=1", "recipe.finetune.epochs=1", "calibration.images=64", "logger=none", "scoring.chunk=1"]
SMALL = [*QUICK, "compare.methods=[one_shot]", "compare.seeds=2"]

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of six cells that many tests look at."""
    folder = tmp_path_factory.mktemp("compare") / "study"
    assert run(["compare", *SMALL, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture
def ran(monkeypatch):
    """The seeds of the cells that were run, in order."""
    seeds = []

    def counted(cfg):
        seeds.append(cfg.seed)
        return prune(cfg)

    prune = cell.prune
    monkeypatch.setattr(cell, "prune", counted)
    return seeds


def cells(folder):
    return {p.name: p for p in sorted((folder / "cells").iterdir())}


def test_cells_are_runs_that_start_from_the_same_network(finished):
    found = cells(finished)
    assert len(found) == 6
    for seed in (0, 1):
        dense = [
            load_file(home / "dense" / "model.safetensors")
            for name, home in found.items()
            if name.endswith(f"seed{seed}")
        ]
        assert len(dense) == 3
        assert all(w.equal(dense[0][k]) for d in dense for k, w in d.items())


def test_figures_are_those_of_the_cells(finished):
    record = json.loads((finished / "comparison.json").read_text())
    homes = cells(finished)
    for row in record["rows"]:
        start = "dense-trained-on" if row["budget"] is None else f"one_shot-{row['scope']}"
        accuracies = [
            json.loads((h / "metrics.json").read_text())["pruned"]["accuracy"]
            for n, h in homes.items()
            if n.startswith(start)
        ]
        assert row["accuracy"]["n"] == len(accuracies) == 2
        assert row["accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2)
    (difference,) = (d for d in record["differences"] if d["kind"] == "scope")
    means = {row["scope"]: row["accuracy"]["mean"] for row in record["rows"]}
    assert difference["found"]["spread"]["mean"] == pytest.approx(means["global"] - means["layerwise"])
    for row in record["rows"][1:]:
        assert row["achieved"]["filters_removed"] >= 0.5
    assert record["rows"][0]["achieved"]["filters_removed"] == 0
    for suffix in ("md", "csv", "tex", "png", "svg"):
        assert (finished / f"comparison.{suffix}").stat().st_size > 300


def test_seeds_of_given_weights_are_of_one_network(finished, tmp_path):
    weights = cells(finished)["one_shot-global-filters_removed-0.5-seed0"] / "dense" / "model.safetensors"
    few = ["compare.scopes=[]", "compare.control=false"]
    assert run(["compare", *SMALL, *few, f"weights={weights}", f"hydra.run.dir={tmp_path}"]) == 0
    said = [
        any(
            "all seeds start from one dense network" in note
            for note in json.loads((d / "comparison.json").read_text())["notes"]
        )
        for d in (tmp_path, finished)
    ]
    assert said == [True, False]


def test_a_report_of_the_study_has_every_seed_in_its_setting(finished):
    (section,) = sections_of(find_runs(finished).runs)
    assert len(section.settings) == 3 and {s.accuracy.n for s in section.settings} == {2}


def test_the_control_trains_as_long_and_removes_nothing(finished):
    homes = cells(finished)
    control, pruned = (
        json.loads((homes[n] / "metrics.json").read_text())
        for n in ("dense-trained-on-seed0", "one_shot-global-filters_removed-0.5-seed0")
    )
    assert control["pruned"]["filters"] == control["dense"]["filters"] == pruned["dense"]["filters"]
    epochs = [
        [line for line in (homes[n] / "curves.csv").read_text().splitlines() if line.startswith("fine-tuning")]
        for n in homes
    ]
    assert {len(lines) for lines in epochs} == {1}


def test_what_has_finished_is_not_run_again(finished, ran, capsys):
    assert run(["compare", *SMALL, f"hydra.run.dir={finished}"]) == 0
    assert ran == []
    (cells(finished)["one_shot-layerwise-filters_removed-0.5-seed1"] / "metrics.json").write_text('{"schema": 1, "se')
    assert run(["compare", *SMALL, f"hydra.run.dir={finished}"]) == 0
    assert ran == [1]
    err = capsys.readouterr().err
    assert "metrics.json" in err and "run again" in err and "6 cells, 5 of them finished before" in err


def test_cells_of_other_settings_are_not_mixed_in(finished, ran, capsys):
    assert run(["compare", *SMALL, "recipe.finetune.epochs=2", f"hydra.run.dir={finished}"]) == 2
    assert ran == []
    assert "recipe.finetune.epochs: 1 then, 2 now" in capsys.readouterr().err


@pytest.fixture
def breaks(monkeypatch):
    """Cells that keep fewer than a tenth of the filters break while running."""
    prune = cell.prune

    def broken(cfg):
        if (cfg.budget.filters_removed or 0) > 0.9:
            raise RuntimeError("the disk is gone\nfor good")
        return prune(cfg)

    monkeypatch.setattr(cell, "prune", broken)


@pytest.mark.usefixtures("breaks")
def test_a_failed_cell_is_named_and_the_others_stand(tmp_path, capsys, ran):
    options = [
        *QUICK,
        "compare.methods=[one_shot]",
        "compare.scopes=[global]",
        "compare.budgets=[0.3,0.95]",
        "compare.seeds=1",
    ]
    assert run(["compare", *options, f"hydra.run.dir={tmp_path}"]) == 1
    out, err = capsys.readouterr()
    assert "1 of 3 cells failed" in err and "runs only these again" in err
    assert "note: failed: one_shot-global-filters_removed-0.95-seed0: RuntimeError: the disk is gone" in out
    assert "one seed: no interval" in out
    record = json.loads((tmp_path / "comparison.json").read_text())
    assert [row["budget"] for row in record["rows"]] == [None, 0.3]
    assert ran == [0, 0, 0]
    assert run(["compare", *options, f"hydra.run.dir={tmp_path}"]) == 1
    assert ran == [0, 0, 0, 0]


@pytest.mark.usefixtures("breaks")
def test_all_breaking_is_one_sentence(tmp_path, capsys):
    options = [
        *QUICK,
        "compare.methods=[one_shot]",
        "compare.control=false",
        "compare.seeds=1",
        "compare.budgets=[0.95]",
        "compare.scopes=[global]",
    ]
    assert run(["compare", *options, f"hydra.run.dir={tmp_path}"]) == 1
    err = capsys.readouterr().err
    assert "1 of 1 cells failed" in err and "RuntimeError: the disk is gone" in err and "broke while" not in err


def test_a_request_that_every_cell_finds_wrong_is_one(tmp_path, monkeypatch, capsys):
    def refuse(cfg):
        raise EasiEdgeError("the data are missing: give data.root")

    monkeypatch.setattr(cell, "prune", refuse)
    assert run(["compare", *SMALL, f"hydra.run.dir={tmp_path}"]) == 2
    assert "all 6 cells failed, the first one thus: the data are missing" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["versions", "budget"])
def test_a_cell_without_what_is_needed_is_run_again(finished, ran, capsys, part):
    path = cells(finished)["one_shot-global-filters_removed-0.5-seed1"] / "metrics.json"
    metrics = json.loads(path.read_text())
    del metrics[part]
    path.write_text(json.dumps(metrics))
    assert run(["compare", *SMALL, f"hydra.run.dir={finished}"]) == 0
    assert ran == [1]
    assert f"{part}" in capsys.readouterr().err


def test_a_schedule_that_stops_early_is_said(tmp_path, capsys):
    entry = "iterative schedule.steps=4 schedule.tolerance=0.0 scoring=random compensation=none"
    options = [
        *QUICK,
        f"compare.methods=['{entry}']",
        "recipe.admm.epochs=1",
        "compare.seeds=1",
        "compare.scopes=[global]",
        "compare.budgets=[0.95]",
    ]
    assert run(["compare", *options, f"hydra.run.dir={tmp_path}"]) == 0
    assert "since the schedule stopped early" in capsys.readouterr().out


def test_epochs_that_admm_does_not_need_are_trained_after_it(tmp_path, capsys):
    """So that all cells train equally long."""
    entry = "easiedge schedule.iterations=4 scoring=l1_magnitude compensation=none"
    options = [
        *QUICK,
        f"compare.methods=['{entry}']",
        "recipe.admm.epochs=1",
        "compare.seeds=1",
        "compare.scopes=[global]",
        "compare.control=false",
    ]
    assert run(["compare", *options, f"hydra.run.dir={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "stopped early" not in out and "5 epochs of training for each" in out
    (curves,) = (path for path in tmp_path.rglob("curves.csv") if "easiedge" in str(path.parent.name))
    rows = curves.read_text().splitlines()
    assert (
        sum(row.startswith(("ADMM", "fine-tuning")) for row in rows) == 5
        and sum(row.startswith("ADMM") for row in rows) < 4
    )


def test_an_interrupt_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path, monkeypatch, capsys):
    prune, begun = cell.prune, []

    def interrupted(cfg):
        begun.append(cfg.seed)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return prune(cfg)

    monkeypatch.setattr(cell, "prune", interrupted)
    options = [*QUICK, "compare.methods=[one_shot]", "compare.seeds=1"]
    assert run(["compare", *options, f"hydra.run.dir={tmp_path}"]) == 130
    assert f"hydra.run.dir={tmp_path}" in capsys.readouterr().err
    assert json.loads((tmp_path / "comparison.json").read_text())["notes"]
    assert run(["compare", *options, f"hydra.run.dir={tmp_path}"]) == 0
    assert len(begun) == 4  # the control once, the interrupted cell twice, the last once


def test_a_launcher_that_breaks_down_leaves_cells_counted_as_failed(tmp_path, monkeypatch, capsys):
    def broken(self, chosen, job):
        if len(chosen) > 1:
            raise RuntimeError("the cluster is gone\nwith a trace")

        return original(self, chosen, job)

    original = Launcher.__call__
    monkeypatch.setattr(Launcher, "__call__", broken)
    options = [*QUICK, "compare.methods=[one_shot]", "compare.seeds=1"]
    assert run(["compare", *options, f"hydra.run.dir={tmp_path}"]) == 1
    err = capsys.readouterr().err
    assert "the launcher broke down (RuntimeError: the cluster is gone)" in err
    assert "2 of 3 cells failed" in err and "it was not started" in err


def test_a_damaged_configuration_is_run_again(finished, ran, capsys):
    (cells(finished)["one_shot-global-filters_removed-0.5-seed0"] / "config.yaml").write_text("a: [1")
    assert run(["compare", *SMALL, f"hydra.run.dir={finished}"]) == 0
    err = capsys.readouterr().err
    assert ran == [0] and "config.yaml: " in err and "run again" in err


def test_what_is_compared_may_differ_and_is_said(tmp_path, capsys):
    methods = "compare.methods=['a tutor: one_shot recipe.finetune.distillation=0.9','none: one_shot recipe.finetune.distillation=0']"
    options = [*QUICK, methods, "compare.seeds=1", "compare.scopes=[]", "compare.control=false"]
    assert run(["compare", *options, "compare.varied=[recipe.finetune.distillation]", f"hydra.run.dir={tmp_path}"]) == 0
    assert "may differ in recipe.finetune.distillation, which is compared here" in " ".join(
        capsys.readouterr().out.split()
    )
    tutors = [home.joinpath("config.yaml").read_text().count("distillation: 0.9") for home in cells(tmp_path).values()]
    assert sorted(tutors) == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m"], "lists instead of -m"),
        (["compare.budgets=[2]"], "filters_removed"),
        (["compare.budgets=[0.999]"], "at most"),
        (["compare.by=latency_ms_max", "compare.budgets=[1]"], "device=this_machine"),
        (["compare.methods=[one_shot,'one_shot data.seed=7']"], "data.seed=7"),
        (["compare.methods=[one_shot,'easiedge recipe.train.epochs=4']"], "recipe.train.epochs=4"),
        (["compare.methods=[one_shot,'easiedge recipe.finetune.lr=1']"], "recipe.finetune.lr=1"),
        (
            ["compare.methods=[one_shot,'one_shot recipe.finetune.lr=1']", "compare.varied=[calibration.images]"],
            "or compare.varied=[recipe.finetune.lr]",
        ),
        (["compare.methods=['one_shot projection.scope=layerwise']"], "projection.scope"),
        (["compare.methods=[one_shot,'one_shot budget.macs_removed=0.9']"], "leave budget, seed, method"),
        (["compare.methods=['one_shot budget.filters_removed=0.2']"], "budget"),
        (["compare.methods=[magic]"], "magic"),
        (["compare.methods=['one_shot schedule.steps=3']"], "schedule.steps"),
        (["compare.methods=[one_shot schedule.steps=3]"], "put quotes around"),
        (["method=one_shot"], "compare.methods"),
        (["folds.count=2", "compare.seeds=3"], "seeds 0 and 2 are the same of 2 folds"),
        (["hydra/launcher=cluster"], "cluster"),
    ],
)
def test_wrong_requests_run_nothing(arguments, said, ran, capsys):
    assert run(["compare", *SMALL, *arguments, "hydra.run.dir=study"]) == 2
    _out, err = capsys.readouterr()
    assert said in err and err.count("\n") <= 2 and "Traceback" not in err
    assert ran == [] and not Path("study", "cells").exists()


def test_progress_counts_what_ends_however_it_ends(tmp_path, capsys):
    planned = [cell.Cell(cell.Setting("m", "global", 0.5), seed, f"m-seed{seed}", ()) for seed in range(3)]
    with Watch(planned, tmp_path) as watch:
        for i, name in enumerate(("metrics.json", "failed.txt")):
            (tmp_path / "cells" / f"m-seed{i}").mkdir(parents=True)
            (tmp_path / "cells" / f"m-seed{i}" / name).write_text("{}")
    assert (len(watch.waiting), watch.failed) == (1, 1)
    assert "cells: 2 of 3 cells" in capsys.readouterr().err


@pytest.mark.slow
def test_processes_beside_each_other_give_the_same_figures(finished, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs pip install hydra-joblib-launcher")
    options = [*SMALL, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"hydra.run.dir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "easiedge", "compare", *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    one, two = (json.loads((folder / "comparison.json").read_text()) for folder in (finished, tmp_path))
    assert one["rows"] == [a | {"seconds": b["seconds"]} for a, b in zip(two["rows"], one["rows"], strict=True)]
    assert one["differences"] == two["differences"]


def test_a_second_process_in_the_same_study_is_refused(tmp_path, ran, capsys):
    with locked(tmp_path / "study"):
        assert run(["compare", *SMALL, f"hydra.run.dir={tmp_path / 'study'}"]) == 2
    assert "in use by process" in capsys.readouterr().err and ran == []
