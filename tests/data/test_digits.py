"""The embedded default, and what every data module promises, tested on it."""

import pytest
import torch
from sklearn.datasets import load_digits

from easiedge.data.digits import Digits
from easiedge.data.in_memory import normalise
from easiedge.errors import DataError


@pytest.fixture
def digits():
    data = Digits()
    data.setup()
    return data


def test_the_parts_are_disjoint_complete_and_have_all_classes(digits):
    parts = [digits.train, digits.val, digits.test]
    assert [len(p) for p in parts] == [1295, 143, 359]  # shares are rounded class by class
    source = torch.from_numpy(load_digits().images / 16 * 255).round().to(torch.uint8)
    together = sorted(x.numpy().tobytes() for p in parts for x in p.pixels)
    assert together == sorted(x.numpy().tobytes() for x in source)
    for part in parts:
        assert part.labels.bincount(minlength=10).min() > 0


def test_the_split_stays_when_the_runs_seed_moves(digits):
    other = Digits(seed=7)
    other.setup()
    for name in ("train", "val", "test"):
        assert torch.equal(getattr(digits, name).pixels, getattr(other, name).pixels)
    moved = Digits(split_seed=1)
    moved.setup()
    assert not torch.equal(digits.test.pixels, moved.test.pixels)


def test_shape_and_classes(digits):
    assert digits.input_shape == (1, 8, 8)
    assert digits.num_classes == 10
    assert list(digits.class_names) == [str(d) for d in range(10)]
    x, y = next(iter(digits.train_dataloader()))
    assert (x.shape, x.dtype, y.dtype) == ((64, 1, 8, 8), torch.float32, torch.int64)


def test_inputs_are_about_standardised(digits):
    x = torch.cat([x for x, _ in digits.test_dataloader()])
    assert abs(x.mean()) < 0.1
    assert 0.9 < x.std() < 1.1


def test_setup_loads_once(digits):
    before = digits.train.pixels
    digits.setup()
    assert digits.train.pixels is before


def test_calibration_images_are_training_images_as_they_are(digits):
    batches = digits.calibration_batches(200, batch_size=64, seed=1)
    assert [len(y) for _, y in batches] == [64, 64, 64, 8]
    known = {
        (x.numpy().tobytes(), int(y))
        for x, y in zip(normalise(digits.train.pixels, digits.mean, digits.std), digits.train.labels, strict=True)
    }
    assert all((u.numpy().tobytes(), int(v)) in known for x, y in batches for u, v in zip(x, y, strict=True))
    assert torch.cat([y for _, y in batches]).bincount().tolist() == [20] * 10


def test_calibration_images_depend_on_their_seed_alone(digits):
    torch.manual_seed(3)
    first = digits.calibration_batches(50, seed=1)[0][0]
    torch.manual_seed(4)
    assert torch.equal(first, digits.calibration_batches(50, seed=1)[0][0])
    assert not torch.equal(first, digits.calibration_batches(50, seed=2)[0][0])


@pytest.mark.parametrize(
    ("options", "message"),
    [((1296,), "1296 is more than the 1295"), ((0,), "images=0"), ((10, 0), "batch_size=0")],
)
def test_calibration_that_cannot_be_says_so(options, message, digits):
    with pytest.raises(DataError, match=message):
        digits.calibration_batches(*options)


def test_some_classes_are_numbered_in_the_order_given():
    every, some = Digits(), Digits(classes=[8, 3], val_share=0.25)
    every.setup()
    some.setup()
    counts = [int(((part.labels == 3) | (part.labels == 8)).sum()) for part in (every.train, every.val, every.test)]
    assert sum(counts) == sum(len(part) for part in (some.train, some.val, some.test)) and some.class_names == [
        "8",
        "3",
    ]
    eights = {
        x.numpy().tobytes() for part in (every.train, every.val, every.test) for x in part.pixels[part.labels == 8]
    }
    assert {x.numpy().tobytes() for x in some.train.pixels[some.train.labels == 0]} <= eights
    assert len(some.val) == pytest.approx(0.25 * (len(some.train) + len(some.val)), abs=1)


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        ([3], "at least two different digits"),
        ([3, 3], "at least two"),
        ([3, 12], "class 12 .* is empty"),
        ([1.5, 2], "at least two"),
    ],
)
def test_classes_that_cannot_be(classes, says):
    with pytest.raises(DataError, match=says):
        Digits(classes=classes).setup()


@pytest.mark.parametrize("share", [0, 1, "x"])
def test_a_share_of_validation_images_that_cannot_be(share):
    with pytest.raises(DataError, match=r"data\.val_share"):
        Digits(val_share=share)
