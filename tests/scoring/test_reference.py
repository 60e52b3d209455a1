"""Only the exact information gain is held against the tutor, unless the first-order term is asked for."""

import pytest
import torch

from easiedge.scoring.reference import held_against
from easiedge.scoring.score import CRITERIA


def logits():
    return [torch.zeros(2, 3)]


@pytest.mark.parametrize("criterion", CRITERIA)
def test_who_gets_the_tutor(criterion):
    assert held_against(criterion, logits).keys() == ({"tutor"} if criterion == "information_gain" else set())


@pytest.mark.parametrize("criterion", ["joint_information_gain", "taylor_information_gain", "information_gain"])
def test_first_order(criterion):
    assert torch.equal(held_against(criterion, logits, first_order=True)["tutor"][0], logits()[0])
    assert held_against("l1_magnitude", logits, first_order=True) == {}


def test_the_tutor_is_not_asked_in_vain():
    assert held_against("joint_information_gain", lambda: 1 / 0) == {}
