"""Training that was broken off anywhere ends bit for bit as training that was not."""

import pytest
import torch
from pytorch_lightning import Callback
from torch import nn

from easiedge.data.in_memory import Batches, Images
from easiedge.sealed import read_sealed, write_sealed
from easiedge.training.fit import fit
from easiedge.training.recipe import Recipe
from easiedge.training.resume.memory import RunMemory
from easiedge.training.resume.pace import Pace

EPOCHS, STEPS = 3, 4


class DiedError(Exception):
    """Stands for a process that is gone."""


class Dies(Callback):
    """After so many batches of this process, or in the hook of that name."""

    def __init__(self, after=None, hook=None, epoch=0):
        self.after, self.hook, self.epoch, self.seen = after, hook, epoch, 0

    def on_train_batch_start(self, trainer, *args):
        if self.seen == self.after:
            raise DiedError
        self.seen += 1

    def on_validation_start(self, trainer, module):
        if self.hook == "validation" and trainer.current_epoch == self.epoch:
            raise DiedError

    def on_train_epoch_end(self, trainer, module):
        if self.hook == "epoch end" and trainer.current_epoch == self.epoch:
            raise DiedError

    def on_train_end(self, trainer, module):
        if self.hook == "end":
            raise DiedError


def network():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(6 * 36, 3),
    )  # fmt: skip


def batches(shuffle=True):
    g = torch.Generator().manual_seed(1)
    images = Images(
        torch.randint(0, 255, (57, 1, 6, 6), generator=g, dtype=torch.uint8), torch.randint(0, 3, (57,), generator=g)
    )
    return Batches(images, 16, (0.5,), (0.3,), shuffle=shuffle, shift=1 if shuffle else 0, flip=shuffle, seed=5)


def train(folder, *callbacks, pace=None, precision="32-true", **options):
    """Final weights, history, place in the data, and the random state."""
    net, loader = network(), batches()
    memory = None
    if folder is not None:
        run = RunMemory(folder, "test", pace=pace or Pace(share=1e9, least_seconds=0.0))
        memory = run.stage("training", net)
    recipe = Recipe(epochs=EPOCHS, lr=0.05, warmup=0.1)
    result = fit(
        net, loader, batches(shuffle=False), recipe, callbacks=callbacks, seed=7, progress=False, precision=precision, memory=memory,
        trainer_options=options,
    )  # fmt: skip
    return net, result, loader.epoch, torch.rand(3)


def same(a, b):
    (net, result, epoch, drawn), (other, again, other_epoch, other_drawn) = a, b
    for (name, x), y in zip(net.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(x, y), name
        assert x.stride() == y.stride(), name
    assert result.history == again.history and result.best_epoch == again.best_epoch
    assert result.val_accuracy == again.val_accuracy and epoch == other_epoch
    assert torch.equal(drawn, other_drawn)


@pytest.fixture(scope="module")
def unbroken():
    return train(None)


def test_remembering_changes_nothing(tmp_path, unbroken):
    same(train(tmp_path), unbroken)
    same(train(tmp_path), unbroken)  # read, not trained
    assert [p.name for p in (tmp_path / "001-training").iterdir()] == ["end.sealed"]


@pytest.mark.parametrize("after", range(1, EPOCHS * STEPS))
def test_broken_off_after_any_batch(tmp_path, unbroken, after):
    with pytest.raises(DiedError):
        train(tmp_path, Dies(after))
    assert list((tmp_path / "001-training").glob("step-*"))
    resumed = Dies()
    same(train(tmp_path, resumed), unbroken)
    assert resumed.seen == EPOCHS * STEPS - after  # no batch is trained on twice


def test_seconds_are_those_of_all_sessions(tmp_path):
    def again(*callbacks):
        run, net = RunMemory(tmp_path, "test", pace=Pace(share=1e9, least_seconds=0.0)), network()
        stage = run.stage("training", net)
        recipe = Recipe(epochs=EPOCHS, lr=0.05)
        return run, fit(net, batches(), None, recipe, callbacks=callbacks, progress=False, memory=stage)

    with pytest.raises(DiedError):
        again(Dies(7))
    newest = max((tmp_path / "001-training").glob("step-*"))
    sealed = read_sealed(newest)
    assert sealed["seconds"] > 0
    write_sealed(newest, sealed | {"seconds": 1000.0})  # as if the first session had been a long one
    run, result = again()
    assert run.earlier == 1000.0 and 1000.0 < result.seconds < 1500.0
    run, read = again()
    assert read.seconds == result.seconds == run.earlier


@pytest.mark.parametrize("hook", ["validation", "epoch end", "end"])
@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_broken_off_between_epochs(tmp_path, unbroken, hook, epoch):
    if hook == "end" and epoch:
        pytest.skip("there is one end")
    with pytest.raises(DiedError):
        train(tmp_path, Dies(hook=hook, epoch=epoch))
    same(train(tmp_path), unbroken)


def test_broken_off_again_and_again(tmp_path, unbroken):
    for _ in range(EPOCHS * STEPS - 1):
        with pytest.raises(DiedError):
            train(tmp_path, Dies(1))
    same(train(tmp_path), unbroken)


@pytest.mark.parametrize("after", [1, 2, 3, 5])
def test_with_part_of_an_epochs_batches_and_bf16(tmp_path, after):
    options = {"limit_train_batches": 2, "precision": "bf16-mixed"}
    whole = train(None, **options)
    with pytest.raises(DiedError):
        train(tmp_path, Dies(after), **options)
    same(train(tmp_path, **options), whole)


def test_a_damaged_state_is_named_and_the_one_before_is_used(tmp_path, unbroken, caplog):
    with pytest.raises(DiedError):
        train(tmp_path, Dies(7))
    newest = max((tmp_path / "001-training").glob("step-*"))
    data = newest.read_bytes()
    newest.write_bytes(data[: len(data) // 2])
    resumed = Dies()
    same(train(tmp_path, resumed), unbroken)
    assert "was cut off or changed" in caplog.text and newest.name in caplog.text
    assert resumed.seen == EPOCHS * STEPS - 6


def test_with_both_states_damaged_it_begins_anew(tmp_path, unbroken):
    with pytest.raises(DiedError):
        train(tmp_path, Dies(7))
    for state in (tmp_path / "001-training").glob("step-*"):
        state.write_bytes(b"\0" * 100)
    same(train(tmp_path), unbroken)


def test_a_damaged_end_is_trained_again(tmp_path, unbroken):
    train(tmp_path)
    (tmp_path / "001-training" / "end.sealed").write_bytes(b"")
    same(train(tmp_path), unbroken)


def test_what_was_saved_under_other_settings_is_not_used(tmp_path, unbroken):
    with pytest.raises(DiedError):
        train(tmp_path, Dies(5))
    memory = RunMemory(tmp_path, "another configuration").stage("training", network())
    assert memory.latest() is None and not (tmp_path / "001-training").exists()


def test_two_states_are_kept_at_most(tmp_path):
    with pytest.raises(DiedError):
        train(tmp_path, Dies(9))
    assert len(list((tmp_path / "001-training").iterdir())) == 2


def test_states_are_saved_at_the_pace_that_was_asked_for(tmp_path):
    now = [0.0]
    pace = Pace(share=0.5, least_seconds=3.0, clock=lambda: now[0])

    class Tick(Callback):
        def on_train_batch_end(self, *args):
            now[0] += 1.0

    train(tmp_path, Tick(), pace=pace)
    assert pace.saves == EPOCHS * STEPS // 3 - 1  # the last one is the end
