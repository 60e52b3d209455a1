"""CIFAR-100 on a stand-in of its shapes: a hundred classes of 32x32, as torchvision's original and as files."""

import shutil

import numpy as np
import pytest
import torchvision
from PIL import Image

from easiedge.data.cifar100 import CIFAR100
from easiedge.errors import DataError


class Original:
    """What torchvision's data set shows: twenty training images a class, and two for the test."""

    classes = tuple(f"class {i:02}" for i in range(100))

    def __init__(self, root, train, download):
        count = 2000 if train else 200
        self.data = np.random.default_rng(train).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        self.targets = [i % 100 for i in range(count)]


def test_the_original_has_a_hundred_classes_in_every_part(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "CIFAR100", Original)
    data = CIFAR100(str(tmp_path))
    data.setup()
    assert data.num_classes == 100 and data.input_shape == (3, 32, 32)
    assert [len(p) for p in (data.train, data.val, data.test)] == [1800, 200, 200]
    assert data.val.labels.bincount().tolist() == [2] * 100
    assert data.mean == (0.5071, 0.4865, 0.4409)


def test_the_last_fifty_files_of_a_class_are_for_validation(tmp_path):
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "one.png")
    for part, count in (("train", 53), ("test", 1)):
        for c in ("apple", "worm"):
            (tmp_path / part / c).mkdir(parents=True)
            for i in range(count):
                shutil.copyfile(tmp_path / "one.png", tmp_path / part / c / f"{i:03}.png")
    (tmp_path / "one.png").unlink()
    data = CIFAR100(str(tmp_path))
    data.setup()
    assert [len(p) for p in (data.train, data.val, data.test)] == [6, 100, 2]


def test_no_data_and_no_network_is_one_line(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise RuntimeError("Dataset not found")

    monkeypatch.setattr(torchvision.datasets, "CIFAR100", offline)
    with pytest.raises(DataError, match=r"holds no CIFAR-100.*cannot be downloaded.*cifar-100-python"):
        CIFAR100(str(tmp_path / "none")).setup()
