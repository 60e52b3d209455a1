"""Stratified splits: disjoint, complete, true to their seed."""

import pytest
import torch

from easiedge.data.split import draw_stratified, stratified
from easiedge.errors import DataError

LABELS = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)[torch.randperm(100, generator=torch.Generator().manual_seed(1))]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
def test_a_split_is_disjoint_and_complete(share):
    rest, part = stratified(LABELS, share, 0)
    assert torch.cat([rest, part]).sort().values.tolist() == list(range(100))
    assert LABELS[rest].unique().tolist() == LABELS[part].unique().tolist() == [0, 1, 2]


def test_each_class_gives_its_share():
    _, part = stratified(LABELS, 0.1, 0)
    assert LABELS[part].bincount().tolist() == [5, 3, 2]


def test_a_split_depends_on_its_seed_alone():
    torch.manual_seed(1)
    first = stratified(LABELS, 0.2, 7)[1]
    torch.manual_seed(2)
    assert torch.equal(first, stratified(LABELS, 0.2, 7)[1])
    assert not torch.equal(first, stratified(LABELS, 0.2, 8)[1])


def test_a_class_with_a_single_image_cannot_be_split():
    with pytest.raises(DataError, match="class 1 has a single image"):
        stratified(torch.tensor([0, 0, 1]), 0.5, 0)


@pytest.mark.parametrize(
    ("count", "shares"), [(3, [1, 1, 1]), (60, [20, 20, 20]), (90, [40, 30, 20]), (100, [50, 30, 20])]
)
def test_a_drawing_takes_classes_as_evenly_as_there_are_images(count, shares):
    chosen = draw_stratified(LABELS, count, 0)
    assert len(chosen.unique()) == count
    assert LABELS[chosen].bincount().tolist() == shares


def test_a_drawing_depends_on_its_seed_alone():
    assert torch.equal(draw_stratified(LABELS, 30, 3), draw_stratified(LABELS, 30, 3))
    assert not torch.equal(draw_stratified(LABELS, 30, 3), draw_stratified(LABELS, 30, 4))


@pytest.mark.parametrize("count", [101, 0, -5])
def test_a_drawing_that_cannot_be_says_so(count):
    with pytest.raises(DataError, match=f"calibration.images={count}.*(100|at least 1)"):
        draw_stratified(LABELS, count, 0)
