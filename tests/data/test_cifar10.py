"""CIFAR-10 as files and as torchvision's original."""

import zipfile

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from easiedge.data.cifar10 import CIFAR10
from easiedge.errors import DataError


def fill(root, train=6, test=2, size=32):
    for part, count in (("train", train), ("test", test)):
        for c in ("cat", "airplane"):
            (root / part / c).mkdir(parents=True)
            for i in range(count):
                value = i + 100 * (c == "cat")
                Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(root / part / c / f"{i:04}.png")
    return root


def ready(root, **options):
    data = CIFAR10(str(root), **options)
    data.setup()
    return data


@pytest.fixture
def two(monkeypatch):
    """Validation files a class; the real number needs thousands of files."""
    monkeypatch.setattr(CIFAR10, "validation_files", 2)


def test_validation_is_the_last_files_of_each_class(tmp_path, two):
    data = ready(fill(tmp_path))
    assert data.class_names == ["airplane", "cat"]
    assert data.train.pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 100, 101, 102, 103]
    assert data.val.pixels[:, 0, 0, 0].tolist() == [4, 5, 104, 105]
    assert data.val.labels.tolist() == [0, 0, 1, 1]
    assert len(data.test) == 4


@pytest.mark.parametrize("top", ["", "cifar10/"])
def test_an_archive_reads_like_its_folder(top, tmp_path, two):
    root = fill(tmp_path / "files")
    with zipfile.ZipFile(tmp_path / "files.zip", "w") as archive:
        for path in sorted(root.rglob("*.png")):
            archive.write(path, top + str(path.relative_to(root)))
    a, b = ready(root), ready(tmp_path / "files.zip")
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(a, part).pixels, getattr(b, part).pixels)


def test_a_class_with_too_few_files(tmp_path):
    with pytest.raises(DataError, match=r"class airplane.*at most 500.*data=image_folder"):
        ready(fill(tmp_path))


def test_train_and_test_must_have_the_same_classes(tmp_path, two):
    fill(tmp_path)
    (tmp_path / "test" / "cat").rename(tmp_path / "test" / "dog")
    with pytest.raises(DataError, match="same class folders"):
        ready(tmp_path)


class Original:
    """What torchvision's data set shows: images of which each is another, twenty a class."""

    classes = tuple("abcdefghij")

    def __init__(self, root, train, download):
        count = 200 if train else 50
        self.data = np.random.default_rng(train).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        self.targets = [i % 10 for i in range(count)]


def test_the_original_is_split_by_seed_and_class(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Original)
    data = ready(tmp_path)
    assert [len(p) for p in (data.train, data.val, data.test)] == [180, 20, 50]
    assert data.val.labels.bincount().tolist() == [2] * 10
    train, val = ({x.numpy().tobytes() for x in p.pixels} for p in (data.train, data.val))
    assert len(train | val) == 200
    assert np.array_equal(data.test.pixels[0].permute(1, 2, 0).numpy(), Original("", False, False).data[0])
    assert torch.equal(ready(tmp_path, seed=3).val.pixels, data.val.pixels)
    assert not torch.equal(ready(tmp_path, split_seed=3).val.pixels, data.val.pixels)


def test_no_data_and_no_network_is_one_line(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise RuntimeError("Dataset not found\nor corrupted")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", offline)
    with pytest.raises(DataError, match=r"holds no CIFAR-10.*cannot be downloaded.*not found or corrupted"):
        ready(tmp_path / "none")


def test_training_images_are_augmented_and_others_are_not(tmp_path, two):
    data = ready(fill(tmp_path))
    still = {x.numpy().tobytes() for x, _ in data.calibration_batches(8, 1)}
    moved = {x.numpy().tobytes() for batch, _ in data.train_dataloader() for x in batch}
    assert len(moved - still) > 4


@pytest.mark.slow
def test_the_jpeg_copy(shared_data):
    data = ready(shared_data / "cifar10_jpeg.zip")
    assert [len(p) for p in (data.train, data.val, data.test)] == [45_000, 5_000, 10_000]
    assert data.train.labels.bincount().tolist() == [4_500] * 10
    mean = data.train.pixels.float().mean((0, 2, 3)) / 255
    assert torch.allclose(mean, torch.tensor(data.mean), atol=5e-3)
