"""Images that stay in their files: the same batches, bounded memory, threads that end, files that cannot be read."""

import os
import shutil
import threading

import numpy as np
import pytest
import torch
from PIL import Image

import easiedge.data.image_data as image_data
import easiedge.data.streamed as module
from easiedge.data.folds import in_folds
from easiedge.data.image_files import ImageFiles, load_classes
from easiedge.data.image_folder import ImageFolder
from easiedge.data.in_memory import Batches, Images
from easiedge.data.streamed import AHEAD, FilePixels, streams
from easiedge.errors import DataError
from easiedge.model.digest import digest
from easiedge.training.batches import SizedBatches, content_of


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "images"
    for c in "ab":
        (folder / c).mkdir(parents=True)
        for i in range(20):
            pixels = np.random.default_rng([i, ord(c)]).integers(0, 256, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / c / f"{i:02}.png")
    return folder


def folder_data(root, **options):
    data = ImageFolder(str(root), **{"image_size": 8, "batch_size": 5, "shift": 2, **options})
    data.setup()
    return data


def same(first, second):
    pairs = list(zip(first, second, strict=True))
    assert pairs
    for (x, y), (u, v) in pairs:
        assert torch.equal(x, u) and torch.equal(y, v) and x.stride() == u.stride() and x.dtype == u.dtype


class Counted:
    """Files that count what is decoded: each image holds its own number; number ``broken`` cannot be read."""

    def __init__(self, broken=-1):
        self.decoded, self.broken = [], broken

    def decode_one(self, name, size, grey, fit):
        if int(name) == self.broken:
            raise DataError(f"image {name} cannot be read")
        self.decoded.append(int(name))
        return np.full((3, size, size), int(name), np.uint8)

    def stamps(self, names):
        return " ".join(names)


def counted(count=40, broken=-1, **options):
    files = Counted(broken)
    images = Images(FilePixels(files, [str(i) for i in range(count)], 2), torch.arange(count))
    return files, Batches(images, 4, [0.0], [1.0], **options)


def decoding():
    return [t for t in threading.enumerate() if t.name.startswith("easiedge-decoding")]


@pytest.mark.parametrize("options", [{}, {"fit": "crop"}, {"grey": True}])
@pytest.mark.parametrize("packed", [False, True])
def test_batches_and_draws_are_those_of_images_in_memory_bit_for_bit(root, options, packed):
    where = shutil.make_archive(str(root), "zip", root) if packed else root
    held, streamed = (folder_data(where, stream=stream, **options) for stream in (False, True))
    assert isinstance(held.train.pixels, torch.Tensor) and isinstance(streamed.train.pixels, FilePixels)
    assert held.input_shape == streamed.input_shape and len(held.train) == len(streamed.train)
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        a, b = getattr(held, loader)(), getattr(streamed, loader)()
        for _ in range(2):  # epochs
            same(a, b)
    same(held.calibration_batches(9, 4, 3), streamed.calibration_batches(9, 4, 3))
    same(held.evaluation_batches("test"), streamed.evaluation_batches("test"))
    same(held.evaluation_batches("val", 3, 1), streamed.evaluation_batches("val", 3, 1))
    assert not decoding()


def test_crop_and_squash_are_not_mixed_up_in_the_cache(root):
    held = [folder_data(root, stream=False, fit=fit).train.pixels for fit in ("squash", "crop", "squash")]
    assert torch.equal(held[0], held[2]) and not torch.equal(held[0], held[1])


@pytest.mark.parametrize("position", [0, 1, 7, 10])
@pytest.mark.parametrize("moves", [{}, {"shift": 1, "flip": True}])
def test_a_pass_resumed_in_its_middle_decodes_what_is_left(position, moves):
    _, unbroken = counted(shuffle=True, seed=3, **moves)
    expected = list(unbroken)[position:]
    files, resumed = counted(shuffle=True, seed=3, **moves)
    sized = SizedBatches(resumed)
    sized.go_on(0, position)
    found = list(sized)
    assert len(found) == len(expected) and all(
        torch.equal(a, b) for x, y in zip(found, expected, strict=True) for a, b in zip(x, y, strict=True)
    )
    assert len(files.decoded) == 40 - 4 * position
    assert resumed.epoch == unbroken.epoch == 1
    same(resumed, unbroken)  # the next pass


def test_no_more_is_decoded_than_some_batches_ahead():
    files, batches = counted()
    iterator = iter(batches)
    for taken in range(1, 4):
        next(iterator)
        module_wait(files, 4 * (taken + AHEAD))
        assert len(files.decoded) == 4 * (taken + AHEAD)
    iterator.close()


def module_wait(files, count):
    """Until so many are decoded, which the threads are about to."""
    for _ in range(1000):
        if len(files.decoded) >= count:
            return
        threading.Event().wait(0.005)


@pytest.mark.parametrize("how", ["used up", "closed", "dropped", "broken"])
def test_threads_end_with_the_iterator(how):
    _, batches = counted(broken=17 if how == "broken" else -1)
    iterator = iter(batches)
    next(iterator)
    assert decoding()
    if how == "used up":
        list(iterator)
    elif how == "closed":
        iterator.close()
    elif how == "broken":
        with pytest.raises(DataError, match="image 17 cannot be read"):
            list(iterator)
    del iterator
    assert not decoding()


def test_batches_before_a_damaged_file_are_whole():
    _, batches = counted(broken=17)
    seen = []
    with pytest.raises(DataError, match="image 17"):
        seen.extend(y.tolist() for _, y in batches)
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_a_file_that_is_damaged_or_gone_is_named(root, content):
    data = folder_data(root, stream=True)
    for path in root.rglob("*.png"):
        path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"image [ab]/\d\d\.png in .* cannot be read .*remove or replace.*data\.unreadable=skip$"
    ):
        list(data.train_dataloader())


def test_reading_under_inference_mode(root):
    held, streamed = (folder_data(root, stream=stream) for stream in (False, True))
    with torch.inference_mode():
        same(held.val_dataloader(), streamed.val_dataloader())


def test_what_decides_streamed_batches_is_digested(root):
    first, again = (digest(content_of(folder_data(root, stream=True).train_dataloader())) for _ in range(2))
    assert first == again
    others = [folder_data(root, stream=True, **o) for o in ({"fit": "crop"}, {"image_size": 9}, {"split_seed": 1})]
    found = {first, *(digest(content_of(data.train_dataloader())) for data in others)}
    os.utime(root / "a" / "00.png", (1, 1))
    data = folder_data(root, stream=True)
    whole = digest(data.train, data.val, data.test)
    Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(root / "a" / "00.png")
    data = folder_data(root, stream=True)
    assert digest(data.train, data.val, data.test) != whole
    assert len(found) == 4


def test_auto_streams_what_would_take_much_of_the_memory(root, monkeypatch):
    decoded = 40 * 3 * 8 * 8
    for available, expected in ((None, False), (4 * decoded, False), (4 * decoded - 4, True)):
        monkeypatch.setattr(module, "available_memory", lambda device, available=available: available)
        assert streams("auto", decoded) is expected
        assert isinstance(folder_data(root).train.pixels, FilePixels) is expected
        assert streams(True, 1) and not streams(False, 1 << 60)


def test_a_draw_that_does_not_fit_into_memory_is_refused(root, monkeypatch):
    data = folder_data(root, stream=True)
    monkeypatch.setattr(image_data, "available_memory", lambda device: 4000)
    with pytest.raises(DataError, match=r"^6 images of 3x8x8 take .* at once.*sensitivity\.images="):
        data.evaluation_batches("test", section="sensitivity")
    with pytest.raises(DataError, match=r"^20 images of 3x8x8 .*calibration\.images="):
        data.calibration_batches(20)


def test_names_without_links_to_folders_and_unreadable_ones(root, tmp_path):
    (root / "linked").symlink_to(root / "a")
    files = ImageFiles(root)
    assert sorted(files.classes()) == ["a", "b"] and len(files.names) == 40
    assert load_classes(files, files.classes(), ["a", "b"], 8).labels.bincount().tolist() == [20, 20]


@pytest.mark.parametrize(
    ("options", "message"), [({"fit": "fill"}, r"data\.fit=fill"), ({"stream": "yes"}, r"data\.stream=yes")]
)
def test_unusable_options_are_named(root, options, message):
    with pytest.raises(DataError, match=message):
        folder_data(root, **options)


def test_folds_of_images_that_stay_in_their_files_are_those_of_held_ones(root):
    held, streamed = (folder_data(root, stream=stream) for stream in (False, True))
    for data in (held, streamed):
        in_folds(data, 2, 1, 0.3)
    for one, other in zip(
        (held.train, held.val, held.test), (streamed.train, streamed.val, streamed.test), strict=True
    ):
        assert not isinstance(other.pixels, torch.Tensor)
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.pixels, other.pixels[torch.arange(len(other))])
