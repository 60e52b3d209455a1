"""The joint form against the true information gain of every subset of a small trained network."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from networks import Small, images
from oracle import information_gain_of
from scipy.stats import spearmanr

import easiedge
from easiedge.unit import Budget, FilterMask, FilterScores


def trained(x, y):
    torch.manual_seed(0)
    model = Small(6)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("k", [2, 3])
def test_the_joint_form_knows_which_units_can_go_together(k):
    """All ways to remove k of twelve units (66, 220): the true divergence beside the quadratic form and beside summed single scores."""
    x = images(48)
    y = x.flatten(1)[:, ::7].mean(1).argsort().argsort() * 3 // len(x)
    model = trained(x, y)
    groups = easiedge.find_groups(model, x)
    scores = easiedge.score(model, groups, [x], "joint_information_gain", probe="exact")
    fisher = scores.interaction.fisher.double()
    truth, form, summed = {}, [], []
    for removed in itertools.combinations(range(12), k):
        gone = torch.zeros(12, dtype=torch.bool)
        gone[list(removed)] = True
        mask = FilterMask({g.name: ~gone[6 * i : 6 * i + 6] for i, g in enumerate(groups)})
        truth[removed] = information_gain_of(model, groups, mask, x)
        form.append(float(0.5 * fisher[gone][:, gone].sum()))
        summed.append(float(0.5 * fisher.diagonal()[gone].sum()))
    true = list(truth.values())
    joint, single = (spearmanr(values, true).statistic for values in (form, summed))
    assert joint > 0.75 and joint > single + 0.3

    def better_than_chosen(of):
        mask = easiedge.project(of, groups, budget=Budget(filters_removed=k / 12), model=model, example_inputs=x)
        chosen = tuple((~torch.cat([mask.keep[g.name] for g in groups])).nonzero()[:, 0].tolist())
        return sum(v < truth[chosen] for v in true) / len(true)

    assert better_than_chosen(scores) < 0.02
    if k == 3:
        assert better_than_chosen(FilterScores(scores.values, "single")) > 0.1
