"""The joint choice with widths in steps: limits met, allowed widths, and no step that could be taken back."""

import numpy as np
import pytest
import torch
from width_instances import NETWORKS, fits

from easiedge.projection.budget import limits
from easiedge.projection.floors import Floors
from easiedge.projection.global_topk import project_globally
from easiedge.projection.joint_greedy import JointOrder
from easiedge.projection.order import starts_of
from easiedge.unit import Budget, Interaction


@pytest.mark.parametrize("round_to", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_no_step_of_the_joint_choice_could_be_taken_back(seed, round_to):
    groups, cost = NETWORKS["wide"]
    starts = starts_of(groups)
    units = int(starts[-1])
    g = torch.Generator().manual_seed(seed)
    rows = torch.randn(60, units, generator=g) * (0.2 + torch.rand(units, generator=g)) / 60**0.5
    form = Interaction(tuple(q.name for q in groups), torch.zeros(units), fisher=rows.T @ rows)
    budget = Budget(filters_removed=0.4, params_removed=0.6, macs_removed=0.3)
    bounds = limits(budget, groups, cost, Floors(round_to=round_to))
    alive = project_globally(JointOrder(form, starts), bounds)
    kept = np.add.reduceat(alive.astype(float), starts[:-1])
    assert bounds.met(kept)
    for i, (group, floor) in enumerate(zip(groups, bounds.floor, strict=True)):
        assert fits(kept[i], group, floor, round_to)
        if kept[i] < group.size:
            more = kept.copy()
            more[i] = min((kept[i] // round_to + 1) * round_to, group.size)
            assert not bounds.met(more)
