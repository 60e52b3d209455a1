"""The order of one group alone is that of a projection whose budget falls on that group."""

import networks
import pytest
import torch

from easiedge.model.filter_groups import find_groups
from easiedge.projection.project import project
from easiedge.projection.removal_order import of_group, removal_order
from easiedge.scoring.joint_information_gain import READJUST
from easiedge.scoring.score import score
from easiedge.unit import Budget, FilterGroup, FilterScores


def test_single_scores_go_from_the_lowest_up():
    group = FilterGroup("a", 4, (), (), {})
    scores = FilterScores({"b": torch.tensor([0.0]), "a": torch.tensor([3.0, 1.0, 2.0, 1.0])}, "some")
    assert removal_order(scores, group).tolist() == [1, 3, 2]
    alone = FilterGroup("b", 1, (), (), {})
    assert removal_order(scores, alone).tolist() == []


@pytest.mark.parametrize(
    "options", [{}, {"readjust": READJUST}, {"matrix_limit": 1}, {"matrix_limit": 1, "readjust": READJUST}]
)
def test_the_joint_form_of_each_group_is_its_own_block(options):
    model, x = networks.network("Plain"), networks.images(24)
    groups = find_groups(model, x[:2])
    joint = score(model, groups, [x], "joint_information_gain", probe="exact", **options)
    for group in groups:
        order = removal_order(joint, group)
        assert sorted(order.tolist()) == sorted(set(order.tolist())) and len(order) == group.size - 1
        by_hand = score(model, [group], [x], "joint_information_gain", probe="exact", **options)
        block = of_group(joint, group).interaction
        wanted = by_hand.interaction
        assert torch.allclose(
            block.columns(torch.arange(group.size)), wanted.columns(torch.arange(group.size)), atol=1e-6
        )
        for count in (1, group.size // 2, group.size - 1):
            mask = project(
                by_hand, [group], budget=Budget(filters_removed=count / group.size - 1e-9), model=model, example_inputs=x[:2], collapse="ignore",
            )  # fmt: skip
            assert set(order[:count].tolist()) == set((~mask.keep[group.name]).nonzero()[:, 0].tolist())
