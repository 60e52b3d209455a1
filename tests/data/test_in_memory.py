"""Batches from memory: order by seed and epoch, augmentation against the slow and obvious way, normalisation."""

import math

import pytest
import torch
import torch.nn.functional as F

import easiedge.data.in_memory as module
from easiedge.data.image_data import ImageData
from easiedge.data.in_memory import Batches, Images, interleaved, normalise, shift_and_flip


def numbered(count, channels=1, size=2):
    """Images whose pixels and label are their own number."""
    numbers = torch.arange(count, dtype=torch.uint8)
    return Images(numbers.view(-1, 1, 1, 1).expand(count, channels, size, size).contiguous(), numbers.long())


def order(batches):
    return torch.cat([y for _, y in batches]).tolist()


def shuffled(count=50, batch_size=8, **options):
    return Batches(numbered(count), batch_size, [0.0], [1.0], shuffle=True, **options)


def test_an_epoch_holds_every_image_once_with_its_own_label():
    pairs = [(x, y) for x, y in shuffled()]
    assert sorted(torch.cat([y for _, y in pairs]).tolist()) == list(range(50))
    for x, y in pairs:
        assert x.dtype == torch.float32
        assert y.dtype == torch.int64
        assert torch.allclose(x[:, 0, 0, 0] * 255, y.float(), atol=1e-4)


def test_epochs_differ_and_repeat_with_the_seed():
    one, two = shuffled(seed=3), shuffled(seed=3)
    first, second = order(one), order(one)
    assert first != second
    assert [order(two), order(two)] == [first, second]
    assert order(shuffled(seed=4)) != first


def test_a_pass_depends_on_seed_and_epoch_alone():
    """A resumed run sees the pixels that an unbroken one would."""
    unbroken = shuffled(seed=1, shift=1, flip=True)
    for _ in range(3):
        list(unbroken)
    torch.manual_seed(99)
    resumed = shuffled(seed=1, shift=1, flip=True)
    resumed.epoch = 3
    for (x, y), (u, v) in zip(resumed, unbroken, strict=True):
        assert torch.equal(x, u)
        assert torch.equal(y, v)


def test_the_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    list(shuffled(shift=1, flip=True))
    assert torch.equal(before, torch.get_rng_state())


def test_unshuffled_batches_keep_their_order_and_do_not_move():
    batches = Batches(numbered(20), 8, [0.0], [1.0])
    assert order(batches) == order(batches) == list(range(20))
    assert [len(y) for _, y in batches] == [8, 8, 4]


@pytest.mark.parametrize("counts", [(40, 40, 40), (7, 100, 1, 33), (5,), (3, 0, 2)])
def test_classes_are_dealt_evenly_and_every_image_once(counts):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    found = interleaved(labels)
    assert sorted(found.tolist()) == list(range(len(labels)))
    for way in (0.1, 0.25, 0.5, 0.8):
        expected = [math.floor(way * n + 0.5) for n in counts]
        assert torch.bincount(labels[found[: sum(expected)]], minlength=len(counts)).tolist() == expected


@pytest.mark.parametrize("part", ["val", "test"])
def test_the_first_validation_and_test_batches_stand_for_all_classes(part):
    data = ImageData([0.5], [0.5], batch_size=4)
    whole = Images(torch.zeros(3000, 1, 2, 2, dtype=torch.uint8), torch.arange(3).repeat_interleave(1000))
    data.val = data.test = whole
    _, labels = next(iter(getattr(data, f"{part}_dataloader")()))
    assert (torch.bincount(labels, minlength=3) - len(labels) / 3).abs().max() < 1


@pytest.mark.parametrize(("count", "sizes"), [(16, [8, 8]), (17, [8, 9]), (18, [8, 8, 2]), (1, [1]), (9, [9])])
def test_no_last_training_batch_of_one(count, sizes):
    batches = shuffled(count)
    assert len(batches) == len(sizes)
    assert [len(y) for _, y in batches] == sizes


def test_a_last_batch_of_one_is_tested_as_it_is():
    assert [len(y) for _, y in Batches(numbered(17), 8, [0.0], [1.0])] == [8, 8, 1]


@pytest.mark.parametrize("shape", [(6, 1, 5, 5), (5, 3, 4, 7)])
@pytest.mark.parametrize("shift", [0, 1, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_shift_and_flip_is_pad_crop_and_mirror(shape, shift, flip):
    pixels = torch.randint(1, 256, shape, dtype=torch.uint8)
    out = shift_and_flip(pixels, torch.Generator().manual_seed(5), shift, flip)
    assert out.dtype == torch.uint8
    height, width = shape[2:]
    for image, moved in zip(pixels, out, strict=True):
        padded = F.pad(image, (shift,) * 4)
        crops = [
            padded[:, t : t + height, left : left + width]
            for t in range(2 * shift + 1)
            for left in range(2 * shift + 1)
        ]
        candidates = crops + ([c.flip(2) for c in crops] if flip else [])
        assert any(torch.equal(moved, c) for c in candidates)


@pytest.mark.parametrize("flip", [False, True])
def test_large_images_move_as_small_ones_do(flip, monkeypatch):
    pixels = torch.randint(1, 256, (7, 3, 6, 5), dtype=torch.uint8)
    found = []
    for large in (0, 31):
        monkeypatch.setattr(module, "LARGE", large)
        found.append(shift_and_flip(pixels, torch.Generator().manual_seed(5), 2, flip))
    assert torch.equal(*found) and found[0].stride() == found[1].stride()


def test_every_shift_and_both_sides_occur_about_equally_often():
    pixels = torch.zeros(4000, 1, 3, 3, dtype=torch.uint8)
    pixels[:, :, 1, 1] = 255
    where = (
        shift_and_flip(pixels, torch.Generator().manual_seed(0), 1, False).flatten(1).argmax(1).bincount(minlength=9)
    )
    assert where.min() > 350
    assert where.max() < 540
    pixels = torch.tensor([[0, 255]], dtype=torch.uint8).expand(4000, 1, 1, 2).contiguous()
    mirrored = shift_and_flip(pixels, torch.Generator().manual_seed(0), 0, True)[:, 0, 0, 0].bool().float().mean()
    assert 0.47 < mirrored < 0.53


def test_normalise_per_channel_and_for_one_value():
    pixels = torch.randint(0, 256, (4, 3, 2, 2), dtype=torch.uint8)
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    expected = torch.stack([(pixels[:, c].double() / 255 - mean[c]) / std[c] for c in range(3)], 1)
    assert torch.allclose(normalise(pixels, mean, std).double(), expected, atol=1e-5)
    assert torch.allclose(normalise(pixels, [0.5], [0.5]), pixels.float() / 127.5 - 1, atol=1e-5)


def test_looking_at_the_first_batch_is_no_epoch():
    images = Images(torch.arange(10, dtype=torch.uint8).reshape(10, 1, 1, 1), torch.arange(10))
    batches = Batches(images, 4, [0.0], [1.0], shuffle=True)
    peeked = next(iter(batches))[1]
    assert batches.epoch == 0
    assert torch.equal(next(iter(batches))[1], peeked)
    for _ in zip(
        range(len(batches)), batches, strict=False
    ):  # as a trainer that knows the length: never asks once more
        pass
    assert batches.epoch == 1
