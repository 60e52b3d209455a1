"""By turns, scores are held against the network they are taken at; with first_order against the tutor."""

import pytest
import torch
from networks import network

import easiedge
from easiedge.scoring.score import score


def gradients(**options):
    """The first-order term of each turn's scores."""
    torch.manual_seed(0)
    model, seen = network("Plain").eval(), []
    batches = [torch.randn(16, 2, 8, 8)]
    groups = easiedge.find_groups(model, batches[0][:2])

    def scorer(*given, **chosen):
        found = score(*given, **chosen)
        seen.append(float(found.interaction.gradient.abs().max()))
        return found

    easiedge.select(
        model, groups, batches, budget=easiedge.Budget(filters_removed=0.6), chunk=0.2, scorer=scorer, **options
    )
    return seen


@pytest.mark.parametrize("compensation", [None, "least_squares"])
def test_the_term_is_zero_unless_asked_for(compensation):
    turns = 5 if compensation else 3  # with a refit in two ways, whose first scores are the same
    assert gradients(compensation=compensation) == [0.0] * turns
    assert all(g > 0 for g in gradients(compensation=compensation, first_order=True)[1:])
