"""Dense training done once: network and loader are left as training would leave them."""

from dataclasses import replace

import pytest
import torch
from networks import network
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from easiedge.data.in_memory import Batches, Images
from easiedge.model.digest import UndigestibleError
from easiedge.store import Store
from easiedge.training.recipe import Recipe
from easiedge.training.shared_training import SharedTraining
from easiedge.training.stages import Stages


def loader(drawn=0, **options):
    generator = torch.Generator().manual_seed(drawn)
    pixels = torch.randint(0, 256, (24, 2, 8, 8), generator=generator).to(torch.uint8)
    return Batches(Images(pixels, torch.arange(24) % 3), 8, [0.5], [0.25], **options)


def stages(**changes):
    made = Stages(
        loader(shuffle=True, shift=1, seed=3), loader(1), {"train": Recipe(epochs=2), "finetune": Recipe(epochs=1)}, precision="32-true",
        seed=3, progress=False, options={"accelerator": "cpu"},
    )  # fmt: skip
    return replace(made, **changes)


class Dropping(nn.Module):
    """A network that draws random numbers while it trains."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.norm, self.drop, self.h = (
            nn.Conv2d(2, 6, 3), nn.Conv2d(6, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.3), nn.Linear(4, 3)
        )  # fmt: skip

    def forward(self, x):
        return self.h(self.drop(self.norm(self.b(torch.relu(self.a(x)))).relu().mean((2, 3))))


def start():
    torch.manual_seed(1)
    return Dropping()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "dense")


def test_the_second_job_loads_what_the_first_trained(store, caplog):
    caplog.set_level("INFO")
    trained = []
    for job in ("0", "1"):
        model, made = start(), stages()
        calls = []

        def train(model=model, made=made, calls=calls):
            calls.append(made.train(model, recipe="train"))

        SharedTraining(store, job)(model, made, train)
        made.train(model, recipe="finetune")  # goes on in the same order of images, from the same layout
        trained.append((len(calls), model, made.train_batches.epoch))
    (first, one, epoch), (second, other, other_epoch) = trained
    assert (first, second) == (1, 0) and epoch == other_epoch == 3
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b) and a.stride() == b.stride(), name
    assert "those that job 0 of this sweep trained" in caplog.text


def test_everything_that_decides_the_weights_is_in_the_key(store):
    shared = SharedTraining(store, "0")
    other = start()
    other.a.bias.data[0] += 1e-6
    other_mode = start()
    other_mode.drop.p = 0.4
    keys = [
        shared.key(start(), stages()),
        shared.key(other, stages()),
        shared.key(other_mode, stages()),
        shared.key(network("Plain"), stages()),
        shared.key(start(), stages(seed=4)),
        shared.key(start(), stages(precision="bf16-mixed")),
        shared.key(start(), stages(options={"accelerator": "cpu", "limit_train_batches": 1})),
        shared.key(start(), stages(recipes={"train": Recipe(epochs=3)})),
        shared.key(start(), stages(train_batches=loader(shuffle=True, shift=1, seed=4))),
        shared.key(start(), stages(train_batches=loader(shuffle=True, shift=0, seed=3))),
        shared.key(start(), stages(train_batches=loader(9, shuffle=True, shift=1, seed=3))),
        shared.key(start(), stages(val_batches=loader(2))),
    ]
    assert len(set(keys)) == len(keys)
    apart = stages(recipes={"train": Recipe(epochs=2)}, progress=True)
    assert shared.key(start(), apart) == keys[0]  # other stages and what is shown decide nothing


def test_a_loader_that_does_not_say_what_it_gives_is_trained_on_each_time(store, caplog):
    caplog.set_level("INFO")
    data = DataLoader(TensorDataset(torch.zeros(4, 2, 8, 8), torch.zeros(4).long()), batch_size=2)
    with pytest.raises(UndigestibleError):
        SharedTraining(store, "0").key(start(), stages(train_batches=data))
    calls = []
    for _ in range(2):
        SharedTraining(store, "0")(start(), stages(train_batches=data), lambda: calls.append(1))
    assert len(calls) == 2 and "not shared" in caplog.text
