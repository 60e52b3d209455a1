"""Scores that two processes compute together are those of one."""

import pytest
import torch
from several_networks import batches, classifier, group

from easiedge.scoring.score import score
from easiedge.scoring.score_store import SharedScores
from easiedge.store import Store

TUTORS = ("none", "network", "logits")


def scored(criterion, sizes, tutor, options):
    network, images = classifier().double().eval(), batches(sizes)
    other = classifier(seed=4).double().eval()
    if tutor == "network":
        options = {**options, "tutor": other}
    if tutor == "logits":
        options = {**options, "tutor": [other(x).detach() for x, _ in images]}
    return score(network, [group()], images, criterion, **options)


def same(one, other, tolerance):
    return all(torch.allclose(one[name], other[name], rtol=tolerance, atol=1e-15) for name in one)


@pytest.mark.parametrize("tutor", TUTORS)
@pytest.mark.parametrize(
    ("sizes", "options"),
    [((4, 7, 5), {"probe": "sketch"}), ((4, 7, 5, 3), {"probe": "sampled"}), ((3, 6), {"probe": "exact"}), ((6,), {})],
    ids=["three batches", "four", "two", "one"],
)
def test_taylor_as_in_one(two, sizes, options, tutor):
    expected = scored("taylor_information_gain", sizes, tutor, options).values
    first, second = two(scored, "taylor_information_gain", sizes, tutor, options)
    assert same(expected, first.values, 1e-12) and all(torch.equal(first.values[n], second.values[n]) for n in expected)


@pytest.mark.parametrize("options", [{}, {"matrix_limit": 0}], ids=["matrix", "rows"])
def test_joint_as_in_one(two, options):
    expected = scored("joint_information_gain", (4, 7, 5), "network", options)
    first, second = two(scored, "joint_information_gain", (4, 7, 5), "network", options)
    assert same(expected.values, first.values, 1e-12)
    units = torch.arange(6)
    F = [found.interaction.columns(units) for found in (expected, first, second)]
    assert torch.equal(F[1], F[2]) and torch.allclose(F[0], F[1], rtol=1e-5, atol=1e-9)
    assert torch.allclose(expected.interaction.gradient, first.interaction.gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("criterion", ["information_gain", "taylor_2017", "l1_magnitude"])
def test_the_others_are_the_first_process_s(two, criterion):
    expected = scored(criterion, (4, 7, 5), "none", {}).values
    first, second = two(scored, criterion, (4, 7, 5), "none", {})
    assert same(expected, first.values, 0) and same(expected, second.values, 0)


def looked_up(folder):
    from easiedge.processes import rank

    shared = SharedScores(Store(folder / str(rank())))
    found = [shared(classifier().eval(), [group()], batches((4, 5), dtype=torch.float32)) for _ in range(2)]
    return found[0].values, found[1].values, shared.found, shared.made, (folder / str(rank())).exists()


def test_the_first_process_keeps_scores_for_all(two, tmp_path):
    for number, (made, found, times_found, times_made, kept) in enumerate(two(looked_up, tmp_path)):
        assert same(made, found, 0) and (times_found, times_made) == (1, 1) and kept == (number == 0)
