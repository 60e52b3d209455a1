"""A disk that is full, read-only or gone in the middle of a run: one line, an exit status, and nothing that looks whole but is not."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import easiedge
from easiedge import atomic, pipeline
from easiedge.cli import run
from easiedge.report.runs import find_runs

pytestmark = pytest.mark.usefixtures("elsewhere")
QUICK = [
    "logger=none", "trainer.progress=false", "recipe.train.epochs=2", "recipe.admm.epochs=1", "recipe.finetune.epochs=1", "schedule.iterations=1",
    "calibration.images=64",
]  # fmt: skip
FAULTS = {
    "full": errno.ENOSPC,
    "read-only": errno.EROFS,
    "too large": errno.EFBIG,
    "over quota": errno.EDQUOT,
    "failing": errno.EIO,
}


def one_line(err):
    (line,) = [each for each in err.splitlines() if each.startswith("easiedge:")]
    assert "Traceback" not in err
    return line


def broken_from(monkeypatch, name, code):
    """From the first file called ``name`` on, nothing can be renamed into its place."""
    true, hit = os.replace, []

    def replace(source, target, **options):
        if hit or Path(target).name == name:
            hit.append(target)
            raise OSError(code, os.strerror(code), str(target))
        return true(source, target, **options)

    monkeypatch.setattr(atomic.os, "replace", replace)
    return hit


def looks_whole(out):
    return (out / "metrics.json").exists() or (out / "checkpoints" / "finished.json").exists()


PLACES = [
    ("config.yaml", "full"),
    ("model.safetensors", "read-only"),
    ("architecture.json", "over quota"),
    ("layers.csv", "too large"),
    ("metrics.json", "failing"),
]


@pytest.mark.parametrize(("name", "fault"), PLACES)
def test_a_file_that_cannot_be_written_ends_the_run_and_it_goes_on_when_it_can(
    tmp_path, monkeypatch, capsys, name, fault
):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        hit = broken_from(patch, name, FAULTS[fault])
        assert run(["prune", *QUICK, f"hydra.run.dir={out}"]) == 2
    said = capsys.readouterr()
    line = one_line(said.err)
    assert hit and "free some space or choose another directory" in line
    assert (f"stopped: easiedge prune resume={out}" in said.out + said.err) == (name != "config.yaml")  # not begun
    assert not looks_whole(out) and not find_runs(tmp_path).runs
    assert not list(out.rglob(".*.safetensors.*"))  # nothing half-written either
    if name == "metrics.json":
        assert run(["prune", f"resume={out}"]) == 0
        assert looks_whole(out)


def test_states_that_cannot_be_saved_cost_no_run(tmp_path, monkeypatch, capsys):
    """The disk is full for everything in checkpoints/ but the command line and the settings, with which the run begins."""
    true, hit = os.replace, set()

    def replace(source, target, **options):
        inside = Path(target).relative_to(tmp_path / "out") if Path(target).is_relative_to(tmp_path / "out") else Path()
        if inside.parts[:1] == ("checkpoints",) and inside.name not in ("command.json", "settings.json"):
            hit.add(inside.name)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return true(source, target, **options)

    monkeypatch.setattr(atomic.os, "replace", replace)
    often = ["checkpoints.share=1000", "checkpoints.least_seconds=0"]
    assert run(["prune", *QUICK, *often, f"hydra.run.dir={tmp_path / 'out'}"]) == 0
    assert {"train-best.safetensors", "finetune-best.safetensors", "end.sealed", "finished.json"} <= hit
    assert any(name.startswith("step-") for name in hit)
    assert (tmp_path / "out" / "metrics.json").exists() and easiedge.load(tmp_path / "out" / "pruned")
    said = capsys.readouterr()
    for what in ("the state of this stage is not saved", "the best epoch is not saved"):
        assert 0 < (said.out + said.err).count(what) <= 4  # once a stage: training, two of ADMM, fine-tuning


@pytest.mark.parametrize("stage", ["run_schedule", "finetune", "closing_accuracies"])
def test_a_directory_that_is_removed_in_the_middle_ends_the_run(tmp_path, monkeypatch, capsys, stage):
    out, true = tmp_path / "out", getattr(pipeline, stage)

    def removed(*args, **options):
        shutil.rmtree(out)
        return true(*args, **options)

    monkeypatch.setattr(pipeline, stage, removed)
    assert run(["prune", *QUICK, f"hydra.run.dir={out}"]) == 2
    assert "was removed while the run was going on" in one_line(capsys.readouterr().err)
    assert not looks_whole(out)


def test_files_that_may_not_grow_end_a_real_run(tmp_path):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    environment = {**os.environ, "PYTHONPATH": str(Path(easiedge.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "easiedge", "prune", *QUICK, f"hydra.run.dir={tmp_path / 'out'}"],
        env=environment, capture_output=True, text=True, preexec_fn=small_files,
    )  # fmt: skip
    assert done.returncode == 2
    assert "cannot write" in one_line(done.stderr)
    assert not looks_whole(tmp_path / "out")
