"""Folds: every image is tested once, and never by a network that has seen it."""

import pytest
import torch

from easiedge.data.folds import count_over_seeds, deal, in_folds, least_of_a_class, refuse_repeated
from easiedge.data.image_data import ImageData
from easiedge.data.in_memory import Images
from easiedge.errors import DataError


class Numbered(ImageData):
    """Images that are their own number; 3 classes of 50, 30 and 12."""

    def __init__(self):
        super().__init__([0.5], [0.5])

    def prepare(self):
        labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 12)
        pixels = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()
        every, self.class_names = Images(pixels, labels), ["a", "b", "c"]
        self.train, self.val, self.test = (
            every.take(torch.arange(0, 92, 2)),
            every.take(torch.arange(1, 92, 4)),
            every.take(torch.arange(3, 92, 4)),
        )


def folded(fold, count=5, **given):
    data = Numbered()
    data.setup()
    in_folds(data, count, fold, **{"val_share": 0.2, **given})
    return data


class Few(Numbered):
    """As many images of each class as there are folds need, or one less in the last."""

    def __init__(self, last, least):
        super().__init__()
        self.last, self.least = last, least

    def prepare(self):
        super().prepare()
        self.train = self.train.take(torch.cat([(self.train.labels == c).nonzero()[: self.least, 0] for c in (0, 1)]))
        rare = Images(torch.zeros(self.last, 1, 2, 2, dtype=torch.uint8), torch.full((self.last,), 2))
        self.train, self.val, self.test = (
            self.train.joined([rare]),
            self.val.take(torch.arange(0)),
            self.test.take(torch.arange(0)),
        )


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_the_least_of_a_class_is_enough_for_every_fold_and_no_more_than_that(count):
    least = least_of_a_class(count)
    for fold in range(count):
        data = Few(least, least)
        data.setup()
        in_folds(data, count, fold, 0.1)
        assert all((part.labels == 2).any() for part in (data.train, data.val, data.test))
    data = Few(least - 1, least)
    data.setup()
    with pytest.raises(DataError, match=rf"class 'c' has {least - 1} images, and {count} folds need at least {least} "):
        in_folds(data, count, 0, 0.1)


def numbers(images):
    return set(images.pixels[:, 0, 0, 0].tolist())


def test_test_images_of_all_folds_are_all_images_each_once():
    found = [numbers(folded(k).test) for k in range(5)]
    assert sum(map(len, found)) == 92 and set().union(*found) == set(range(92))


@pytest.mark.parametrize("fold", range(5))
def test_parts_are_disjoint_and_hold_every_class(fold):
    data = folded(fold)
    parts = [data.train, data.val, data.test]
    assert sum(map(len, parts)) == 92 == len(set().union(*map(numbers, parts)))
    for part in parts:
        assert set(part.labels.tolist()) == {0, 1, 2}
    shares = torch.bincount(data.test.labels) / len(data.test)
    assert shares.tolist() == pytest.approx([50 / 92, 30 / 92, 12 / 92], abs=0.06)


def test_the_same_seed_gives_the_same_folds_and_another_gives_others():
    assert numbers(folded(1).test) == numbers(folded(1).test) != numbers(folded(1, seed=1).test)


@pytest.mark.parametrize(
    ("count", "fold", "given", "says"),
    [
        (1, 0, {}, "between 2 and the 92"),
        (93, 0, {}, "between 2 and the 92"),
        (
            13,
            0,
            {},
            "class 'c' has 12 images, and 13 folds need at least 13 of each class: give more of it, or folds.count=12",
        ),
        (5, 5, {}, "folds.fold=5"),
        (5, 0, {"val_share": 1.0}, "folds.val_share"),
    ],
)
def test_folds_that_cannot_be(count, fold, given, says):
    with pytest.raises(DataError, match=says):
        folded(fold, count, **given)


def test_a_seed_beyond_the_folds_is_said_and_two_of_one_fold_are_refused_in_a_study(caplog):
    section = {"count": 3, "fold": None, "val_share": 0.2, "seed": 0}
    for seed, said in ((2, False), (4, True)):
        data = Numbered()
        data.setup()
        deal(data, section, seed)
        assert ("seed=4 with folds.count=3 is fold 1: seed=1 is tested on the same images" in caplog.text) is said
    assert count_over_seeds(section) == 3 and count_over_seeds(section | {"fold": 1}) is None
    for count, seeds in ((3, (0, 1, 2)), (3, (3, 4, 2)), (None, range(9))):
        refuse_repeated(count, seeds)
    with pytest.raises(
        DataError, match=r"seeds 1 and 4 are the same of 3 folds: give compare.seeds=3, or folds.count=4"
    ):
        refuse_repeated(3, (0, 1, 2, 4))
