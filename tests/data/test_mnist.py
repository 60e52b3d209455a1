"""MNIST from its own files, packed or not; missing and damaged files."""

import gzip
import struct
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from easiedge.data.mnist import FILES, MNIST
from easiedge.errors import DataError

RANDOM = np.random.default_rng(0)


def idx(values):
    return (
        struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(f">{values.ndim}i", *values.shape) + values.tobytes()
    )


@pytest.fixture
def raw(tmp_path):
    """A small MNIST in the real format."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, count in (("train", 100), ("test", 30)):
        images, labels = FILES[part]
        (folder / f"{images}.gz").write_bytes(
            gzip.compress(idx(RANDOM.integers(0, 256, (count, 28, 28), dtype=np.uint8)))
        )
        (folder / f"{labels}.gz").write_bytes(gzip.compress(idx((np.arange(count) % 10).astype(np.uint8))))
    return folder


def ready(root, **options):
    data = MNIST(str(root), **options)
    data.setup()
    return data


def test_packed_files_are_read_in_place(raw, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    data = ready(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
    assert [len(p) for p in (data.train, data.val, data.test)] == [90, 10, 30]
    assert data.input_shape == (1, 28, 28)
    assert data.test.labels.tolist() == [i % 10 for i in range(30)]


def test_unpacked_files_and_other_levels_of_the_folder_read_the_same(raw, tmp_path):
    packed = ready(tmp_path)
    assert torch.equal(ready(raw).train.pixels, packed.train.pixels)
    assert torch.equal(ready(raw.parent).train.pixels, packed.train.pixels)
    for path in list(raw.iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert torch.equal(ready(tmp_path).train.pixels, packed.train.pixels)


def test_training_and_validation_are_disjoint_and_stratified(raw, tmp_path):
    data = ready(tmp_path)
    train, val = ({x.numpy().tobytes() for x in p.pixels} for p in (data.train, data.val))
    assert len(train | val) == 100
    assert data.val.labels.bincount().tolist() == [1] * 10


def test_the_split_moves_with_its_own_seed_and_not_with_the_runs(raw, tmp_path):
    first = ready(tmp_path).val.pixels
    assert torch.equal(ready(tmp_path, seed=5).val.pixels, first)
    assert not torch.equal(ready(tmp_path, split_seed=1).val.pixels, first)


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: len(b) // 2],
        lambda _: b"",
        lambda b: b[:40] + b"\xff" * 400 + b[440:],
        lambda _: gzip.compress(b"x"),
    ],
)
def test_a_damaged_file_is_named(damage, raw, tmp_path):
    path = raw / f"{FILES['train'][0]}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is not an MNIST file"):
        ready(tmp_path)


def test_a_missing_part_is_named(raw, tmp_path):
    (raw / f"{FILES['test'][1]}.gz").unlink()
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte"):
        ready(tmp_path)


def test_no_data_and_no_download(tmp_path):
    with pytest.raises(DataError, match=r"holds no MNIST.*data\.download=true"):
        ready(tmp_path, download=False)


def test_no_data_and_no_network_is_one_line(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise RuntimeError("Error downloading:\nTried one\n" + str(urllib.error.URLError("no network")))

    monkeypatch.setattr(torchvision.datasets, "MNIST", offline)
    with pytest.raises(DataError, match=r"cannot be downloaded.*no network") as caught:
        ready(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_failed_download_leaves_no_folders(tmp_path, monkeypatch):
    def offline(root, **_):
        (Path(root) / "MNIST" / "raw").mkdir(parents=True)
        raise RuntimeError("no network")

    monkeypatch.setattr(torchvision.datasets, "MNIST", offline)
    with pytest.raises(DataError, match="cannot be downloaded"):
        ready(tmp_path / "misspelt" / "data")
    assert not list(tmp_path.iterdir())


def test_no_root_is_refused_by_name():
    with pytest.raises(DataError, match=r"data.root=null names no folder of MNIST: give data.root=DIR"):
        MNIST(None)


def test_the_real_files(shared_data):
    data = ready(shared_data)
    assert [len(p) for p in (data.train, data.val, data.test)] == [54_001, 5_999, 10_000]  # rounded class by class
    assert data.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    pixels = data.train.pixels.float() / 255
    assert abs(float(pixels.mean()) - 0.1307) < 2e-3
    assert abs(float(pixels.std()) - 0.3081) < 2e-3
