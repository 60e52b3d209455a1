"""Training from plain PyTorch to plain PyTorch."""

from __future__ import annotations

import signal
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback
from safetensors.torch import load_file
from torch import Tensor, nn
from training import tiny

from easiedge.data.digits import Digits
from easiedge.errors import DataError, TrainingError
from easiedge.training.best_epoch import BestEpoch
from easiedge.training.classifier import Classifier
from easiedge.training.evaluate import accuracy
from easiedge.training.fit import fit
from easiedge.training.recipe import Recipe

RECIPE = Recipe(epochs=4, lr=0.2)


def _fit(net: nn.Module, recipe: Recipe = RECIPE, **options):
    return fit(
        net,
        options.pop("train", tiny.loader()),
        options.pop("val", tiny.loader(64, seed=1)),
        recipe,
        **{"seed": 0, "progress": False, **options},
    )


def test_learns_and_gives_the_network_back_as_plain_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    net = tiny.network().eval()
    result = _fit(net)
    assert accuracy(net, tiny.loader(64, seed=1)) == pytest.approx(result.val_accuracy, abs=1e-6)
    assert result.val_accuracy is not None
    assert result.val_accuracy > 0.9
    assert not net.training
    assert all(p.grad is None for p in net.parameters())
    assert all(p.is_contiguous() and p.device.type == "cpu" for p in net.parameters())
    assert len(result.history) == 4
    assert {"train_loss", "val_loss", "val_accuracy"} <= result.history[-1].keys()
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second, other = tiny.network(), tiny.network(), tiny.network()
    _fit(first)
    _fit(second)
    _fit(other, seed=1)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    assert not torch.equal(first[0].weight, other[0].weight)


def test_bf16_trains_too() -> None:
    net = tiny.network()
    result = _fit(net, precision="bf16-mixed")
    assert result.precision.precision == "bf16-mixed"
    assert net[0].weight.dtype == torch.float32
    assert accuracy(net, tiny.loader(64, seed=1)) > 0.9


def test_a_list_of_batches_and_one_without_a_length() -> None:
    batches = list(tiny.loader())

    class Stream:
        def __iter__(self):
            return iter(batches)

    for train in (batches, Stream()):
        net = tiny.network()
        assert _fit(net, train=train, val=batches).val_accuracy > 0.9


def test_outputs_with_a_field_logits() -> None:
    class Out(NamedTuple):
        logits: Tensor
        aux: Tensor

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = tiny.network()

        def forward(self, x: Tensor) -> Tensor | Out:
            return Out(self.body(x), x) if self.training else self.body(x)

    net = Net()
    assert _fit(net, val=None).val_accuracy is None
    assert accuracy(net, tiny.loader(64, seed=1)) > 0.9


def test_distillation_follows_the_tutor_and_leaves_it_alone() -> None:
    tutor = tiny.network(1)
    _fit(tutor)
    before = {n: t.clone() for n, t in tutor.state_dict().items()}
    tutor.train()
    wrong = [(x, (y + 1) % 4) for x, y in tiny.loader(shuffle=False)]
    student = tiny.network(2)
    _fit(student, Recipe(epochs=8, lr=0.2, distillation=1.0), train=wrong, val=None, tutor=tutor)
    assert accuracy(student, tiny.loader(64, seed=1)) > 0.9
    assert tutor.training
    assert all(p.requires_grad for p in tutor.parameters())
    assert all(torch.equal(t, before[n]) for n, t in tutor.state_dict().items())
    module = Classifier(student, RECIPE, tutor)
    assert set(module.state_dict()) == {f"network.{n}" for n in student.state_dict()}


class _Worsen(Callback):
    """Break the network after the second epoch's validation, so that the last epochs are the worst."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch >= 3:
            for parameter in self.net.parameters():
                parameter.data.mul_(-1.0)


def test_the_best_epoch_is_kept_in_memory_and_on_disk(tmp_path: Path) -> None:
    net = tiny.network()
    best = BestEpoch(net, path=tmp_path / "best.safetensors")
    result = _fit(net, Recipe(epochs=5, lr=0.05, schedule="constant", warmup=0.0), callbacks=[_Worsen(net)], best=best)
    quality = [(epoch["val_accuracy"], -epoch["val_loss"]) for epoch in result.history]
    assert result.best_epoch == quality.index(max(quality)) < 4
    assert accuracy(net, tiny.loader(64, seed=1)) == pytest.approx(max(quality)[0], abs=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == ["best.safetensors"]
    saved = load_file(tmp_path / "best.safetensors")
    assert all(torch.equal(saved[n], t) for n, t in net.state_dict().items())


def test_only_eligible_epochs_count() -> None:
    net = tiny.network()
    epochs = iter([False, True, True, False])
    best = BestEpoch(net, eligible=lambda: next(epochs, False))
    assert _fit(net, best=best).best_epoch in (1, 2)
    none = BestEpoch(net, eligible=lambda: False)
    assert _fit(net, best=none).best_epoch is None


def test_a_best_epoch_that_cannot_be_written_leaves_the_earlier_file_and_costs_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "best.safetensors"
    path.write_bytes(b"earlier")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("easiedge.atomic.os.fsync", full)
    net = tiny.network()
    best = BestEpoch(net, path=path)
    for value in (0.1, 0.2):  # two epochs that would be written
        trainer = SimpleNamespace(sanity_checking=False, callback_metrics={"val_accuracy": value}, current_epoch=0)
        best.on_validation_end(trainer, net)  # type: ignore[arg-type]
    assert best.value == 0.2
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "No space left" in warning and "the run goes on" in warning
    assert path.read_bytes() == b"earlier"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


class _Poison(Callback):
    """Make the weights infinite in the third epoch."""

    def __init__(self, net: nn.Sequential, at_end: bool) -> None:
        self.net = net
        self.at_end = at_end
        self.after_two: dict[str, Tensor] = {}

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 2:
            self.after_two = {n: t.clone() for n, t in self.net.state_dict().items()}
            if not self.at_end:
                self.net[5].weight.data.fill_(float("nan"))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs, batch, batch_idx: int
    ) -> None:
        if self.at_end and trainer.current_epoch == 2 and trainer.is_last_batch:
            self.net[5].weight.data[0, 0] = float("inf")


@pytest.mark.parametrize("at_end", [False, True])
def test_a_loss_that_is_not_finite_restores_the_last_good_epoch(at_end: bool) -> None:
    net = tiny.network()
    poison = _Poison(net, at_end)
    with pytest.raises(TrainingError, match="end of epoch 2"):
        _fit(net, callbacks=[poison])
    assert all(torch.equal(t, poison.after_two[n]) for n, t in net.state_dict().items())


def test_a_learning_rate_that_explodes_names_the_start() -> None:
    net = tiny.network()
    before = {n: t.clone() for n, t in net.state_dict().items()}
    with pytest.raises(TrainingError, match="before training"):
        _fit(net, Recipe(epochs=1, lr=1e30, schedule="constant", warmup=0.0))
    assert all(torch.equal(t, before[n]) for n, t in net.state_dict().items())


def test_a_batch_of_one_with_batch_norm_is_refused_before_training() -> None:
    net = tiny.network()
    for train in (
        tiny.loader(33, 32),
        tiny.loader(32, 1),
        [(torch.zeros(1, 1, 8, 8), torch.zeros(1, dtype=torch.long))],
    ):
        with pytest.raises(DataError, match="single image"):
            _fit(net, train=train)
    assert net[1].num_batches_tracked == 0
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    _fit(plain, train=tiny.loader(33, 32))


def test_empty_loaders_are_refused() -> None:
    with pytest.raises(DataError, match="no training batches"):
        _fit(tiny.network(), train=[])
    with pytest.raises(DataError, match="no training batches"):
        _fit(tiny.network(), train=tiny.loader(10, 32, drop_last=True))
    with pytest.raises(DataError, match="iterator"):
        _fit(tiny.network(), train=iter(tiny.loader()))


def test_an_interrupt_stays_an_interrupt() -> None:
    class Interrupt(Callback):
        def on_train_batch_end(self, *args: object) -> None:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        _fit(tiny.network(), callbacks=[Interrupt()])
    assert signal.getsignal(signal.SIGINT) is before


def test_warnings_of_others_are_not_swallowed() -> None:
    class Warn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = tiny.network()

        def forward(self, x: Tensor) -> Tensor:
            warnings.warn("mine", UserWarning, stacklevel=1)
            return self.body(x)

    with pytest.warns(UserWarning, match="mine"):
        _fit(Warn(), precision="32-true", max_epochs=1)


@pytest.mark.parametrize(("limit", "batches"), [(1.0, 6), (0.34, 2)])
def test_every_epoch_sees_other_images_also_where_epochs_are_cut_short(limit, batches):
    data = Digits(batch_size=216)
    data.setup()
    loader, drawn = data.train_dataloader(), []

    class Drawn(Callback):
        def on_train_batch_start(self, trainer, module, batch, index):
            drawn.append(batch[1].tolist())

    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    fit(
        network,
        loader,
        None,
        Recipe(epochs=3, lr=0.01),
        callbacks=[Drawn()],
        progress=False,
        trainer_options={"limit_train_batches": limit},
    )
    assert len(drawn) == 3 * batches and loader.epoch == 3
    epochs = [drawn[i * batches : (i + 1) * batches] for i in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
