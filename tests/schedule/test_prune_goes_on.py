"""easiedge.prune(directory=...): stopped anywhere, called again, it ends as one that never was."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import easiedge
from easiedge.errors import EasiEdgeError
from easiedge.run_lock import locked
from easiedge.schedule.admm import Admm
from easiedge.training.resume.memory import StageMemory


class Jittered(TensorDataset):
    """Images with noise that the global generator draws, as augmentations do."""

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x + 0.1 * torch.randn_like(x), y


def network():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(128, 3)
    )  # fmt: skip


def images(count, seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (count,), generator=generator)
    return torch.randn(count, 1, 8, 8, generator=generator) + y.view(-1, 1, 1, 1), y


def pruned(directory, **options):
    """A call as a user's script makes it, with everything made anew."""
    workers = options.pop("workers", 0)
    train = DataLoader(Jittered(*images(96, 0)), batch_size=16, shuffle=True, num_workers=workers)
    val = DataLoader(TensorDataset(*images(48, 1)), batch_size=16)
    given = {"budget": easiedge.Budget(filters_removed=0.5), "epochs": 2, "schedule": Admm(iterations=2)}
    torch.manual_seed(torch.seed())  # what went before does not matter
    return easiedge.prune(network(), train, val, **(given | options), calibration_images=48, progress=False, directory=directory)  # fmt: skip


def same(a, b):
    own, other = a.state_dict(), b.state_dict()
    return own.keys() == other.keys() and all(torch.equal(own[name], other[name]) for name in own)


@pytest.fixture(scope="module")
def unbroken():
    return pruned(None)


@pytest.mark.parametrize(("method", "n"), [("finish", 0), ("finish", 1), ("save", 0), ("save", 5), ("save", 11)])
def test_stopped_anywhere(tmp_path, unbroken, monkeypatch, method, n):
    monkeypatch.setattr("easiedge.training.resume.pace.Pace.due", lambda self: True)  # a state after every batch
    true, calls = getattr(StageMemory, method), []

    def stopping(self, *given):
        calls.append(0)
        true(self, *given)
        if len(calls) == n + 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StageMemory, method, stopping)
        with pytest.raises(KeyboardInterrupt):
            pruned(tmp_path)
    assert same(pruned(tmp_path), unbroken)


def test_finished_it_trains_nothing_again(tmp_path, unbroken, monkeypatch):
    assert same(pruned(tmp_path), unbroken)
    monkeypatch.setattr("pytorch_lightning.Trainer.fit", None)
    assert same(pruned(tmp_path), unbroken)
    with pytest.raises(TypeError):  # other arguments, another run
        pruned(tmp_path, seed=1)


def test_workers_draw_as_they_would_have(tmp_path, monkeypatch):
    monkeypatch.setattr("easiedge.training.resume.pace.Pace.due", lambda self: True)
    settings = {"method": "one_shot", "schedule": None, "epochs": 1, "workers": 1}
    whole, saves = pruned(None, **settings), []

    def stopping(self, *given):
        saves.append(0)
        true(self, *given)
        if len(saves) == 3:
            raise KeyboardInterrupt

    true = StageMemory.save
    with monkeypatch.context() as patch:
        patch.setattr(StageMemory, "save", stopping)
        with pytest.raises(KeyboardInterrupt):
            pruned(tmp_path, **settings)
    assert same(pruned(tmp_path, **settings), whole)


def test_a_schedule_that_cannot_be_compared_is_run_and_not_kept(tmp_path, caplog):
    assert pruned(tmp_path, schedule=lambda task: Admm(iterations=1)(task), epochs=0) is not None
    assert "nothing is kept in" in caplog.text and not list(tmp_path.glob("0*"))


def test_one_call_at_a_time(tmp_path):
    with locked(tmp_path), pytest.raises(EasiEdgeError, match="in use by process"):
        pruned(tmp_path)
