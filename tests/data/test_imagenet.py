"""ImageNet's layout on tiny stand-ins: the official validation folder is the test set, validation comes from training."""

import shutil

import numpy as np
import pytest
from PIL import Image

from easiedge.data.imagenet import ImageNet
from easiedge.data.streamed import FilePixels
from easiedge.errors import DataError

WNIDS = ("n02000003", "n02000001", "n02000002")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "ilsvrc"
    for part, count in (("train", 6), ("val", 2)):
        for c, wnid in enumerate(WNIDS):
            (folder / part / wnid).mkdir(parents=True)
            for i in range(count):
                pixels = np.random.default_rng([c, i, count]).integers(0, 256, (20, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / wnid / f"{wnid}_{i}.JPEG")
    (folder / "meta.bin").write_bytes(b"what torchvision leaves")
    return folder


def ready(root, **options):
    data = ImageNet(str(root), **{"image_size": 16, "shift": 2, **options})
    data.setup()
    return data


@pytest.mark.parametrize("stream", [False, True])
def test_val_is_the_test_set_and_validation_a_part_of_train(root, stream):
    data = ready(root, val_share=0.3, stream=stream)
    assert list(data.class_names) == sorted(WNIDS) and data.fit == "crop" and not data.pretrained_classes
    assert [len(p) for p in (data.train, data.val, data.test)] == [12, 6, 6]
    assert data.val.labels.bincount().tolist() == data.test.labels.bincount().tolist() == [2, 2, 2]
    assert isinstance(data.train.pixels, FilePixels) is stream
    if stream:
        assert all(n.startswith("val/") for n in data.test.pixels.names)
        assert not set(data.train.pixels.names) & set(data.val.pixels.names)
        assert all(n.startswith("train/") for n in [*data.train.pixels.names, *data.val.pixels.names])


@pytest.mark.parametrize("stream", [False, True])
def test_a_damaged_file_is_named_and_nothing_advised_that_these_data_cannot(root, stream):
    (root / "train" / WNIDS[0] / f"{WNIDS[0]}_1.JPEG").write_text("no image")
    with pytest.raises(DataError, match=rf"{WNIDS[0]}_1.JPEG in .* cannot be read .*remove or replace the file$"):
        list(ready(root, stream=stream).train_dataloader())


def test_an_archive_with_one_folder_around_it_all(root, tmp_path):
    data = ready(shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path, "ilsvrc"), stream=True)
    assert [len(p) for p in (data.train, data.val, data.test)] == [15, 3, 6]


@pytest.mark.parametrize("gone", ["train", "val"])
def test_a_missing_part_is_named(root, gone):
    shutil.rmtree(root / gone)
    with pytest.raises(DataError, match=rf"{gone}/ is missing or empty.*torchvision"):
        ready(root)


def test_the_official_validation_images_before_they_were_sorted(root):
    for path in list((root / "val").rglob("*.JPEG")):
        path.rename(root / "val" / path.name)
    for wnid in WNIDS:
        (root / "val" / wnid).rmdir()
    with pytest.raises(DataError, match=r"val/ has its images beside one another"):
        ready(root)


def test_other_classes_in_val(root):
    shutil.rmtree(root / "val" / WNIDS[0])
    with pytest.raises(DataError, match=rf"{WNIDS[0]} is only in one of them \(1 in all\)"):
        ready(root)
