"""easiedge prune goes on where it was: killed, stopped, finished, or asked to with resume=DIR."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from easiedge import resume
from easiedge.cli import run
from easiedge.errors import EasiEdgeError
from easiedge.run_lock import locked
from easiedge.schedule.selection import Selection

pytestmark = pytest.mark.usefixtures("elsewhere")
QUICK = [
    "logger=none", "trainer.progress=false", "recipe.train.epochs=3", "recipe.finetune.epochs=2", "schedule.iterations=2", "calibration.images=128",
    "checkpoints.share=1000", "checkpoints.least_seconds=0", "+trainer.options.limit_train_batches=4",
]  # fmt: skip


def outcome(directory):
    """Figures but for the times, and both networks."""
    metrics = json.loads((directory / "metrics.json").read_text())
    seconds = metrics.pop("seconds")
    stages = [seconds[name] for name in ("train", "score", "admm", "finetune")]
    assert seconds["total"] >= sum(stages) - 0.01 and all(stages)  # of all sessions
    files = ("pruned/model.safetensors", "dense/model.safetensors", "curves.csv", "layers.csv")
    return metrics, [(directory / name).read_bytes() for name in files]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    assert run(["prune", *QUICK, f"hydra.run.dir={folder}"]) == 0
    return folder


class Interrupts:
    """Stops the run in the ``n``-th call of a function."""

    def __init__(self, monkeypatch, owner, name, n):
        self.true, self.left = getattr(owner, name), n
        monkeypatch.setattr(owner, name, self)

    def __call__(self, *args, **options):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.true(*args, **options)


PLACES = [
    ("easiedge.training.resume.memory.StageMemory", "save", 0),
    ("easiedge.training.resume.memory.StageMemory", "save", 9),
    ("easiedge.training.resume.memory.StageMemory", "finish", 0),
    ("easiedge.training.resume.memory.StageMemory", "finish", 1),
    ("easiedge.store.Store", "put", 2),
    ("easiedge.pipeline", "run_schedule", 0),
    ("easiedge.pipeline", "finetune", 0),
    ("easiedge.pipeline", "closing_accuracies", 0),
    ("easiedge.pipeline", "write_metrics", 0),
]


def place(path):
    module, _, name = path.rpartition(".")
    return importlib.import_module(path) if name.islower() else getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("owner", "name", "n"), PLACES, ids=[f"{o.rpartition('.')[2]}.{f}-{n}" for o, f, n in PLACES])
def test_stopped_anywhere_it_ends_as_one_that_was_not(tmp_path, unbroken, monkeypatch, owner, name, n):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        stops = Interrupts(patch, place(owner), name, n)
        if isinstance(place(owner), type):  # a method gets its object
            patch.setattr(place(owner), name, lambda self, *args, **options: stops(self, *args, **options))
        assert run(["prune", *QUICK, f"hydra.run.dir={out}"]) == 130
    assert not (out / "metrics.json").exists()
    assert run(["prune", f"resume={out}"]) == 0
    assert outcome(out) == outcome(unbroken)
    assert not list((out / "checkpoints").glob("0*")) and not (out / "checkpoints" / "scores").exists()


def test_what_admm_decided_is_not_decided_again(tmp_path, monkeypatch):
    out, asked = tmp_path / "run", []
    decide = Selection.decided
    monkeypatch.setattr(Selection, "decided", lambda *given, **options: asked.append(1) or decide(*given, **options))
    owner = place("easiedge.training.resume.memory.StageMemory")
    save, saved = owner.save, []

    def stops(self, *args, **options):
        if len(saved) == 2:
            raise KeyboardInterrupt
        saved.extend(asked)
        return save(self, *args, **options)

    with monkeypatch.context() as patch:  # in the first W-step, after the choice before it
        patch.setattr(owner, "save", stops)
        assert run(["prune", *QUICK, "schedule.stopping.unchanged=9", f"hydra.run.dir={out}"]) == 130
    assert len(asked) == 1
    assert run(["prune", f"resume={out}"]) == 0
    assert len(asked) == 1 and len(saved) == 2


def test_killed_again_and_again(tmp_path, unbroken):
    out, kills = tmp_path / "run", 0
    for seconds in (1.0, 2.5, 4.0, None):
        process = subprocess.Popen(
            [sys.executable, "-m", "easiedge", "prune", *QUICK, f"hydra.run.dir={out}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},  # other threads, other bits
        )
        try:
            if seconds is not None:
                while process.poll() is None and not (out / "checkpoints" / "command.json").exists():
                    time.sleep(0.05)
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    assert process.returncode == 0 and kills >= 1
    assert outcome(out) == outcome(unbroken)


@pytest.mark.parametrize(
    ("number", "status", "says"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_asked_to_stop_it_saves_its_state_and_says_how_to_go_on(tmp_path, unbroken, number, status, says):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "easiedge", "prune", *QUICK, "recipe.train.epochs=2000", f"hydra.run.dir={out}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not list((out / "checkpoints").glob("001-*/step-*")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == status and says in said and f"easiedge prune resume={out}" in said
    assert list((out / "checkpoints").glob("001-*/step-*"))


def test_wandb_takes_both_halves_for_one_run(tmp_path, monkeypatch):
    out, settings = tmp_path / "run", [s for s in QUICK if "logger" not in s and "schedule" not in s]
    with monkeypatch.context() as patch:
        Interrupts(patch, importlib.import_module("easiedge.pipeline"), "finetune", 0)
        assert run(["prune", *settings, "method=one_shot", f"hydra.run.dir={out}"]) == 130
    assert run(["prune", f"resume={out}"]) == 0
    names = [path.stem for path in (out / "wandb").glob("offline-run-*/run-*.wandb")]
    assert len(names) == 2 and len(set(names)) == 1
    assert not (out / "checkpoints" / resume.IDENTITY).exists()  # the next run in this directory is another one


@pytest.mark.parametrize("content", ["", "[]", '{"settings": 1}', '{"settings": "s", "id": "../../x"}'])
def test_a_damaged_identity_is_replaced(tmp_path, monkeypatch, content):
    monkeypatch.setattr(resume, "settings_digest", lambda cfg: "s")
    path = tmp_path / resume.FOLDER / resume.IDENTITY
    path.parent.mkdir()
    path.write_text(content)
    made = resume.identity(None, tmp_path)
    assert len(made) == 8 and resume.identity(None, tmp_path) == made
    monkeypatch.setattr(resume, "settings_digest", lambda cfg: "other")
    assert resume.identity(None, tmp_path) != made


def test_a_finished_run_is_not_run_again(unbroken, capsys, monkeypatch):
    before = outcome(unbroken)
    monkeypatch.setattr("easiedge.pipeline.assemble", None)
    assert run(["prune", *QUICK, f"hydra.run.dir={unbroken}"]) == 0
    assert outcome(unbroken) == before
    assert "finished before" in "".join(capsys.readouterr())


@pytest.mark.parametrize("asked", [["prune", "seed=1"], ["prune", "budget.filters_removed=0.3", "seed=7"], ["train"]])
def test_a_directory_belongs_to_one_run(unbroken, capsys, asked):
    before = (
        outcome(unbroken),
        sorted(p.name for p in unbroken.rglob("*")),
        (unbroken / ".hydra" / "overrides.yaml").read_text(),
    )
    command, *other = asked
    assert run([command, *(QUICK if command == "prune" else ["logger=none"]), *other, f"hydra.run.dir={unbroken}"]) == 2
    err = capsys.readouterr().err
    assert "choose another hydra.run.dir" in err and err.count("\n") == 1
    assert ("seed=0 there, 1 here" in err) == ("seed=1" in other) and ("easiedge prune" in err) == (command == "train")
    assert outcome(unbroken) == before[0] and sorted(p.name for p in unbroken.rglob("*")) == before[1]


def test_a_run_that_was_refused_may_be_asked_for_again(tmp_path):
    out = tmp_path / "run"
    assert run(["prune", *QUICK, "weights=nowhere.safetensors", f"hydra.run.dir={out}"]) == 2
    assert run(
        [
            "prune",
            *QUICK,
            "method=l1_layerwise",
            "recipe.finetune.epochs=1",
            "~schedule.iterations",
            f"hydra.run.dir={out}",
        ]
    ) in (0, 2)
    assert run(["train", "logger=none", "trainer.progress=false", "recipe.train.epochs=1", f"hydra.run.dir={out}"]) == 0


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(p.read_bytes()[:-9])])
def test_a_finished_run_whose_network_is_gone_runs_again(tmp_path, damage, caplog):
    out = tmp_path / "run"
    command = ["train", "logger=none", "trainer.progress=false", "recipe.train.epochs=1", f"hydra.run.dir={out}"]
    assert run(command) == 0
    before = (out / "dense" / "model.safetensors").read_bytes()
    damage(out / "dense" / "model.safetensors")
    assert run(command) == 0
    assert (out / "dense" / "model.safetensors").read_bytes() == before


def test_under_other_circumstances_it_goes_on_and_says_so(tmp_path, unbroken, monkeypatch):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        Interrupts(patch, importlib.import_module("easiedge.pipeline"), "finetune", 0)
        assert run(["prune", *QUICK, f"hydra.run.dir={out}"]) == 130
    known = resume.circumstances
    monkeypatch.setattr(resume, "circumstances", lambda network: known(network) | {"threads": 64})
    trained = []
    import easiedge.training.fit as fit

    true = fit.pl.Trainer.fit
    monkeypatch.setattr(
        fit.pl.Trainer, "fit", lambda self, *given, **options: trained.append(0) or true(self, *given, **options)
    )
    assert run(["prune", f"resume={out}"]) == 0
    assert len(trained) == 1  # fine-tuning alone
    assert outcome(out) == outcome(unbroken)  # nothing is really different here
    assert "was kept with another threads: the run goes on from it" in (out / "run.log").read_text()


@pytest.mark.parametrize("command", ["score", "sensitivity", "sparsify", "latency", "train"])
def test_every_job_is_alone_and_who_is_refused_writes_nothing(tmp_path, command, capsys):
    out = tmp_path / "run"
    with locked(out):
        assert run([command, "logger=none", f"hydra.run.dir={out}"]) == 2
    assert "in use by process" in capsys.readouterr().err and not list(out.iterdir())


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["resume={}", "-m"], "hydra.sweep.dir="),
        (["resume={}", "hydra.run.dir=elsewhere"], "leave hydra.run.dir= out"),
        (["resume="], "one directory"),
        (["resume={}", "resume={}"], "one directory"),
        (["+resume={}/nowhere"], "command.json"),
    ],
)
def test_what_does_not_go_with_resume(unbroken, asked, says, capsys):
    assert run(["prune", *(a.format(unbroken) for a in asked)]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


def test_two_in_one_directory_are_refused(tmp_path, capsys):
    out = tmp_path / "run"
    with locked(out):
        assert run(["prune", *QUICK, f"hydra.run.dir={out}"]) == 2
    err = capsys.readouterr().err
    assert "in use by process" in err and "choose another directory" in err and not (out / "config.yaml").exists()


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", '{"command": "prune"}', '{"command": "train", "overrides": []}']
)
def test_what_cannot_be_resumed(tmp_path, content, capsys):
    path = tmp_path / "run" / resume.FOLDER / resume.COMMAND
    if content is not None:
        path.parent.mkdir(parents=True)
        path.write_text(content)
    assert run(["prune", f"resume={tmp_path / 'run'}"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and (
        "easiedge train resume=" in err if content and "train" in content else "command.json" in err
    )


@pytest.mark.parametrize("wrong", ["checkpoints.share=0", "checkpoints.share=often", "checkpoints.least_seconds=-1"])
def test_a_pace_that_means_nothing(tmp_path, wrong, capsys):
    assert run(["prune", *QUICK, wrong, f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    assert ("a finite number" if "often" in wrong else "0.02 and 10 for example") in capsys.readouterr().err


def test_names_with_quotes_and_spaces_can_be_resumed(tmp_path):
    directory = tmp_path / "a 'quoted' run=1"
    (directory / resume.FOLDER).mkdir(parents=True)
    (directory / resume.FOLDER / resume.COMMAND).write_text(json.dumps({"command": "prune", "overrides": ["seed=3"]}))
    found = resume.resumed_overrides("prune", ["logger=none", f"resume={directory}"])
    assert found[:2] == ["seed=3", "logger=none"]
    from hydra.core.override_parser.overrides_parser import OverridesParser

    assert OverridesParser.create().parse_overrides(found)[-1].value() == str(directory)
    with pytest.raises(EasiEdgeError, match="easiedge prune resume="):
        resume.resumed_overrides("train", [f"resume={directory}"])
