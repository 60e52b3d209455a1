"""Masks by turns: units are chosen as if the gates that stay made up for what goes only where the network is refitted."""

import pytest
import torch
from networks import images, network

from easiedge.model.filter_groups import find_groups
from easiedge.projection.floors import Floors
from easiedge.surgery.removal_curve import masks_by_turns
from easiedge.surgery.select import select
from easiedge.unit import Budget


@pytest.mark.parametrize(("compensation", "damping", "other"), [("none", 0.0, 0.1), ("least_squares", 0.1, 0.0)])
def test_only_what_is_refitted_is_counted_on(compensation, damping, other):
    torch.manual_seed(1)
    model, x = network("Residual").eval(), images(32)
    groups, given = find_groups(model, x), {"criterion": "joint_information_gain", "compensation": compensation}
    found = masks_by_turns(model, groups, [x], [0.3, 0.6], 0.3, Floors(), **given)[0.6]
    budget = Budget(filters_removed=0.6)
    same, another = (
        select(model, groups, [x], budget=budget, chunk=0.5, readjust=way, collapse="ignore", **given)
        for way in (damping, other)
    )
    assert all(torch.equal(kept, same.keep[name]) for name, kept in found.keep.items())
    assert not all(torch.equal(kept, another.keep[name]) for name, kept in found.keep.items())
