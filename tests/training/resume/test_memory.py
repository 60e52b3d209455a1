"""What a run remembers on disk: whole or not there, and never in the way of the run."""

import errno
import os

import pytest
import torch
from torch import nn

from easiedge import atomic
from easiedge.sealed import SealError, read_sealed, write_sealed
from easiedge.training.resume.memory import RunMemory
from easiedge.training.resume.pace import Pace
from easiedge.training.resume.random_state import random_state, restore_random_state

CONTENT = {
    "weights": {"a": torch.arange(6.0).reshape(2, 3)},
    "epochs": [1, 2.5, None, "x"],
    "nested": {3: (True, b"bytes")},
}


def test_what_is_sealed_comes_back(tmp_path):
    size = write_sealed(tmp_path / "f", CONTENT)
    found = read_sealed(tmp_path / "f")
    assert torch.equal(found["weights"]["a"], CONTENT["weights"]["a"]) and found["nested"] == CONTENT["nested"]
    assert found["epochs"] == CONTENT["epochs"] and (tmp_path / "f").stat().st_size == size


def test_any_changed_byte_and_any_cut_is_seen(tmp_path):
    write_sealed(tmp_path / "f", CONTENT)
    data = (tmp_path / "f").read_bytes()
    for place in range(0, len(data), 7):
        (tmp_path / "f").write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(SealError):
            read_sealed(tmp_path / "f")
        (tmp_path / "f").write_bytes(data[:place])
        with pytest.raises(SealError):
            read_sealed(tmp_path / "f")


class Hostile:
    def __reduce__(self):
        return (os.mkdir, ("hacked",))


def test_a_file_with_a_right_hash_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_sealed(tmp_path / "f", {"x": Hostile()})
    with pytest.raises(SealError, match="more than plain values"):
        read_sealed(tmp_path / "f")
    assert not (tmp_path / "hacked").exists()


def test_a_full_disk_costs_the_state_and_not_the_run(tmp_path, monkeypatch, caplog):
    stage = RunMemory(tmp_path, "run").stage("training", nn.Linear(2, 2))
    stage.save(1, {"a": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    stage.save(2, {"a": 2})
    stage.finish({"a": 3})
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]  # once for the stage
    assert "not saved, and the run goes on" in warning and "No space left" in warning
    assert stage.latest() == {"a": 1} and stage.finished() is None
    assert [p.name for p in stage.folder.iterdir()] == ["step-000000001.sealed"]  # nothing half-written stays


def test_a_removed_directory_is_made_again(tmp_path):
    stage = RunMemory(tmp_path / "gone", "run").stage("training", nn.Linear(2, 2))
    stage.save(1, {"a": 1})
    (stage.folder / "step-000000001.sealed").unlink()
    stage.folder.rmdir()
    stage.save(2, {"a": 2})
    assert stage.latest() == {"a": 2}


def test_stages_are_told_apart_by_what_decides_them(tmp_path):
    torch.manual_seed(0)
    net, other = nn.Linear(2, 2), nn.Linear(2, 2)
    RunMemory(tmp_path, "run").stage("training", net).finish({"a": 1})
    assert RunMemory(tmp_path, "run").stage("training", net).finished() == {"a": 1}
    memory = RunMemory(tmp_path, "run")
    assert (
        memory.stage("first", net) is not None and memory.stage("training", net).finished() is None
    )  # the second stage
    assert RunMemory(tmp_path, "run").stage("training", other).finished() is None


def test_what_cannot_be_told_apart_is_not_remembered(tmp_path):
    assert RunMemory(tmp_path, "run").stage("training", lambda: None) is None


def test_forgetting_leaves_other_files(tmp_path):
    memory = RunMemory(tmp_path, "run")
    memory.stage("training", 1).finish({"a": 1})
    (tmp_path / "train-best.safetensors").touch()
    memory.forget()
    assert [p.name for p in tmp_path.iterdir()] == ["train-best.safetensors"]


def test_saving_takes_no_more_than_its_share():
    now = [0.0]
    pace = Pace(share=0.02, least_seconds=1.0, clock=lambda: now[0])

    def save():
        now[0] += 0.5

    for _ in range(10_000):
        now[0] += 0.1
        if pace.due():
            pace.saving(save)
    assert pace.seconds / now[0] <= 0.02 and pace.saves > 30


def test_random_states_come_back(tmp_path):
    import random

    import numpy as np

    def draws():
        drawn = float(np.random.rand())  # noqa: NPY002  # the global generator is what is meant
        return random.random(), drawn, float(torch.rand(1)), float(torch.randn(1))

    draws()
    write_sealed(tmp_path / "f", random_state())
    first = draws()
    draws()
    restore_random_state(read_sealed(tmp_path / "f"))
    assert draws() == first
