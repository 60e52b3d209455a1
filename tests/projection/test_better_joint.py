"""The joint choice under several limits: never a higher value than the greedy one, limits met, nothing that could be put back."""

import numpy as np
import pytest
import torch
from width_instances import NETWORKS

from easiedge.projection.budget import Floors, limits
from easiedge.projection.global_topk import cheapest_first, project_globally
from easiedge.projection.joint_greedy import JointOrder, joint_gain
from easiedge.projection.order import starts_of
from easiedge.unit import Budget, Interaction


def instance(seed, round_to=1):
    groups, cost = NETWORKS["wide"]
    units = sum(g.size for g in groups)
    g = torch.Generator().manual_seed(seed)
    rows = torch.randn(60, units, generator=g) * (0.2 + torch.rand(units, generator=g)) / 60**0.5
    form = Interaction(tuple(q.name for q in groups), 0.02 * torch.rand(units, generator=g), fisher=rows.T @ rows)
    budget = Budget(filters_removed=0.5, params_removed=0.7, macs_removed=0.3)
    return form, starts_of(groups), limits(budget, groups, cost, Floors(round_to=round_to))


def kept_of(alive, starts):
    return np.add.reduceat(alive.astype(float), starts[:-1])


@pytest.mark.parametrize("round_to", [1, 4])
def test_never_worse_than_the_greedy_choice_and_better_for_some(round_to):
    differences = []
    for seed in range(12):
        form, starts, bounds = instance(seed, round_to)
        greedy = cheapest_first(JointOrder(form, starts), bounds)
        found = project_globally(JointOrder(form, starts), bounds)
        kept = kept_of(found, starts)
        assert bounds.met(kept)
        for g, width in enumerate(kept):
            if width < bounds.cost.sizes[g]:
                more = kept.copy()
                more[g] = min((width // round_to + 1) * round_to, bounds.cost.sizes[g])
                assert not bounds.met(more)
        differences.append(joint_gain(form, torch.from_numpy(~found)) - joint_gain(form, torch.from_numpy(~greedy)))
    assert max(differences) <= 0
    assert min(differences) < -1e-6


def test_limits_that_bind():
    _, _, bounds = instance(0)
    kept = np.floor(bounds.cost.sizes / 2)
    used = bounds.cost.totals(kept) / bounds.most
    below = np.sort(used)[::-1]
    for slack, count in ((0.0, 1), (float(below[0] - below[1]) + 1e-9, 2)):
        found = bounds.binding(kept, slack)
        assert np.isfinite(found.most).tolist() == [u >= below[count - 1] for u in used]
    assert bounds.binding(kept, slack=float(below[0] - below[2]) + 1e-9) is None  # all of them
