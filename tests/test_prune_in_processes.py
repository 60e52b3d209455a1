"""easiedge prune in two processes: what one finds, stopped and killed and gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from easiedge.cli import run

pytestmark = pytest.mark.usefixtures("elsewhere")
QUICK = ["logger=none", "trainer.progress=false", "data.batch_size=101"]  # which leaves an uneven last batch
SHORT = [
    "recipe.train.epochs=3",
    "recipe.finetune.epochs=2",
    "schedule.iterations=2",
    "schedule.epochs_per_iteration=1",
    "schedule.stopping.unchanged=9",
]
OFTEN = ["checkpoints.share=1000", "checkpoints.least_seconds=0"]
TWO = ["prune", *QUICK, *SHORT, "trainer.processes=2"]


@pytest.fixture(scope="module", autouse=True)
def _threads():
    """As many in each process as here: other threads, other bits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Trained by one process: what differs in the last bits of dense weights may choose other units."""
    folder = tmp_path_factory.mktemp("dense")
    assert run(["train", *QUICK, SHORT[0], f"hydra.run.dir={folder}"]) == 0
    return folder / "dense" / "model.safetensors"


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, weights):
    folder = tmp_path_factory.mktemp("unbroken")
    assert run([*TWO, f"weights={weights}", f"hydra.run.dir={folder}"]) == 0
    return folder


def figures(directory):
    metrics = json.loads((directory / "metrics.json").read_text())
    metrics.pop("seconds")
    return metrics


def outcome(directory):
    """Figures but for the times, and the network."""
    files = ("pruned/model.safetensors", "curves.csv", "layers.csv")
    return figures(directory), [(directory / name).read_bytes() for name in files]


def difference(one, other):
    ours, theirs = load_file(one), load_file(other)
    return max(float((ours[name].double() - theirs[name].double()).abs().max()) for name in ours)


def test_as_one_process(tmp_path, weights, unbroken):
    out = tmp_path / "one"
    assert run(["prune", *QUICK, *SHORT, f"weights={weights}", f"hydra.run.dir={out}"]) == 0
    one, two = figures(out), figures(unbroken)
    assert (out / "layers.csv").read_bytes() == (unbroken / "layers.csv").read_bytes()
    kept = [json.loads((d / "pruned" / "provenance.json").read_text())["pruned"] for d in (out, unbroken)]
    assert kept[0] == kept[1]
    for ours, theirs in zip(one["admm"]["iterations"], two["admm"]["iterations"], strict=True):
        assert ours["flipped"] == theirs["flipped"] and ours == pytest.approx(theirs, rel=1e-4)
    assert one["pruned"]["accuracy"] == pytest.approx(two["pruned"]["accuracy"], abs=0.01)
    assert difference(out / "pruned" / "model.safetensors", unbroken / "pruned" / "model.safetensors") < 1e-2


@pytest.mark.slow
def test_started_by_torchrun(tmp_path, weights):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "easiedge"]
    command += ["train", *QUICK, SHORT[0], f"hydra.run.dir={out}"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False
    )
    assert done.returncode == 0 and done.stdout.count("test accuracy") == 1
    assert difference(weights, out / "dense" / "model.safetensors") < 1e-2


def test_the_run_directory_is_the_first_process_s(unbroken):
    assert "processes: 2" in (unbroken / "config.yaml").read_text()
    assert "trainer.processes=2" in json.loads((unbroken / "checkpoints" / "command.json").read_text())["overrides"]
    log = (unbroken / "run.log").read_text()
    assert log.count("ADMM 1:") == 1 and not (unbroken / ".lock").exists()


def begun(*arguments):
    """A run in two processes that has saved a state."""
    command = [sys.executable, "-m", "easiedge", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(process, condition):
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def states(directory):
    return set((directory / "checkpoints").glob("00*/step-*"))


def children(process):
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def rank(pid):
    with Path(f"/proc/{pid}/environ").open("rb") as file:
        return next(int(line[5:]) for line in file.read().split(b"\0") if line.startswith(b"RANK="))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the processes")
def test_stopped_then_one_killed_it_ends_as_one_that_was_not(tmp_path, weights, unbroken):
    out, before = tmp_path / "run", set(Path(os.environ.get("TMPDIR", "/tmp")).glob("easiedge-*"))
    process = begun(*TWO, *OFTEN, f"weights={weights}", f"hydra.run.dir={out}")
    until(process, lambda: states(out))
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 143 and said.count("terminated") == 1 and f"easiedge prune resume={out}" in said
    earlier = states(out)
    assert earlier

    process = begun("prune", f"resume={out}")
    until(process, lambda: states(out) - earlier)
    both = children(process)
    assert sorted(rank(pid) for pid in both) == [0, 1]
    os.kill(next(pid for pid in both if rank(pid) == 1), signal.SIGKILL)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1 and said.count("easiedge: ") == 1 and "process 1 of 2 was ended by SIGKILL" in said
    assert "Traceback" not in said
    assert not [pid for pid in both if Path(f"/proc/{pid}").exists()]
    assert not (out / "metrics.json").exists()

    assert run(["prune", f"resume={out}"]) == 0
    assert outcome(out) == outcome(unbroken)
    assert set(Path(os.environ.get("TMPDIR", "/tmp")).glob("easiedge-*")) <= before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["prune", "trainer.processes=0"], "trainer.processes=0 must be a whole number from 1"),
        (["prune", "trainer.processes=true"], "must be a whole number"),
        (["prune", "trainer.processes=2", "trainer.timeout=0"], "trainer.timeout=0 must be a number of seconds"),
        (["score", "trainer.processes=2"], "leave it out of easiedge score"),
        (["compare", "trainer.processes=2"], "leave it out of easiedge compare"),
        (["prune", "-m", "seed=0,1", "trainer.processes=2"], "leave it out of easiedge prune -m"),
        (["train", "+trainer.options.devices=2"], "give trainer.processes=N"),
        (["train", "+trainer.options.strategy=ddp"], "give trainer.processes=N"),
        (["train", "+trainer.options.num_nodes=2"], "give trainer.processes=N"),
    ],
)
def test_requests_that_cannot_be(arguments, says, capsys, tmp_path):
    out = [] if "-m" in arguments else [f"hydra.run.dir={tmp_path / 'run'}"]
    assert run([*arguments, "logger=none", *out]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


def test_other_processes_than_were_started(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert run(["prune", "logger=none", "trainer.processes=2"]) == 2
    assert "trainer.processes=2, and 4 were started" in capsys.readouterr().err


def test_what_is_wrong_is_said_once(tmp_path, capfd):
    assert run([*TWO, "budget.filters_removed=0.9999", f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1 and "out of reach" in err
