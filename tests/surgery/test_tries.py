"""With a refit units are chosen with and without readjustment, and the exact information gain decides."""

from dataclasses import replace

import pytest
import torch
from networks import images, network

from easiedge.errors import EasiEdgeError
from easiedge.model.filter_groups import find_groups
from easiedge.schedule.selection import Selection
from easiedge.surgery.calibration import Calibration
from easiedge.surgery.compensate import Compensation
from easiedge.surgery.select import select
from easiedge.surgery.tries import Judge, Part, dampings
from easiedge.unit import Budget, FilterMask


def divergence(tutor, model, x):
    """The mean Kullback-Leibler divergence, image by image and class by class, in float64."""
    with torch.no_grad():
        told, said = tutor(x).double().softmax(1).tolist(), model(x).double().softmax(1).tolist()
    total = sum(
        p * torch.tensor(p / q).log().item()
        for ps, qs in zip(told, said, strict=True)
        for p, q in zip(ps, qs, strict=True)
    )
    return total / len(x)


def batched(x):
    """Batches of unequal size, so that a mean of means is another number."""
    return [x[:20], x[20:]]


@pytest.fixture
def case():
    torch.manual_seed(1)
    model, x = network("Residual").eval(), images(32)
    return model, x, find_groups(model, x)


def test_the_loss_is_the_mean_divergence_over_images(case):
    model, x, _ = case
    other = network("Residual").eval()
    with torch.no_grad():
        for weight in other.parameters():
            weight.mul_(0.7)
    expected = divergence(model, other, x)
    assert expected > 1e-4
    assert Judge(model, batched(x)).loss(other) == pytest.approx(expected, rel=1e-4)


def refitted(model, groups, x, mask):
    return Compensation(model, groups, [x]).shrink(mask)


def judged(model, groups, x, mask):
    """Of a mask, by hand: refitted on three images of four, divergence on the fourth."""
    fourth = torch.arange(len(x)) % 4 == 3
    return divergence(model, refitted(model, groups, x[~fourth], mask), x[fourth])


def test_every_fourth_image_judges_and_the_others_refit():
    batches = Calibration(
        [torch.arange(6.0)[:, None], (torch.arange(6.0, 8)[:, None], None), torch.arange(8.0, 12)[:, None]], 1e9, "test"
    )
    parts = {judged: torch.cat(list(Part(batches, judged)))[:, 0].tolist() for judged in (True, False)}
    assert parts == {True: [3, 11], False: [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]}
    few = Calibration([torch.zeros(2, 1), torch.zeros(3, 1)], 1e9, "test")
    assert len(torch.cat(list(Part(few, True)))) == len(torch.cat(list(Part(few, False)))) == 5


@pytest.mark.parametrize("name", ["Residual", "Depthwise"])
@pytest.mark.parametrize("removed", [0.4, 0.6])
@pytest.mark.parametrize("order", [(0.1, 0.0), (0.0, 0.1)])
def test_the_better_of_both_ways_is_kept(name, removed, order):
    model, x, told = network(name).eval(), images(32), []
    groups = find_groups(model, x)
    given = {"budget": Budget(filters_removed=removed), "chunk": 0.2, "compensation": "least_squares"}
    chosen = select(model, groups, [x], readjust=order, decided=told.append, **given)
    alone = {damping: select(model, groups, [x], readjust=damping, **given) for damping in order}
    loss = {damping: judged(model, groups, x, mask) for damping, mask in alone.items()}
    assert loss[told[0]] == pytest.approx(min(loss.values()), rel=1e-3)
    assert all(torch.equal(kept, alone[told[0]].keep[g]) for g, kept in chosen.keep.items())


def test_both_ways_are_told_of_and_start_anew(case):
    model, x, groups = case
    seen = []
    select(
        model, groups, [x], budget=Budget(filters_removed=0.6), chunk=0.3, compensation="least_squares",
        progress=lambda done, of, mask: seen.append((done, of, round(mask.share_removed(), 1))),
    )  # fmt: skip
    assert seen == [(1, 4, 0.3), (2, 4, 0.6), (3, 4, 0.3), (4, 4, 0.6)]


def test_the_smaller_loss_wins_wherever_it_stands(case):
    model, x, groups = case
    judge, whole = Judge(model, [x]), FilterMask.full(groups)
    half = FilterMask({g.name: torch.arange(g.size) % 2 == 0 for g in groups})
    for masks, place in (([whole, half], 0), ([half, whole], 1)):
        assert judge.best(masks, lambda mask: refitted(model, groups, x, mask)) == place


def test_equal_masks_need_no_network(case):
    _, x, groups = case
    whole, judge = FilterMask.full(groups), Judge(pytest.fail, [x])
    assert judge.best([whole, FilterMask.full(groups)], pytest.fail) == 0


def test_what_is_tried():
    assert dampings("joint_information_gain", {}, fit=True) == (0.1, 0.0)
    assert dampings("joint_information_gain", {"readjust": [0.3, 0.0, 0.3]}, fit=False) == (0.3, 0.0)
    assert dampings("joint_information_gain", {"readjust": 0.3}, fit=True) == (0.3,)
    assert dampings("joint_information_gain", {}, fit=False) == (0.0,)
    assert dampings("l1_magnitude", {}, fit=True) == (0.0,)
    for wrong in (-1, [0.1, -1.0], []):
        with pytest.raises(EasiEdgeError, match=r"readjust=.* must be 0"):
            dampings("joint_information_gain", {"readjust": wrong}, fit=True)


def test_a_selection_tries_its_own_where_it_refits(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "easiedge.schedule.selection.select", lambda *_, readjust, **__: asked.append(readjust) or FilterMask({})
    )
    chosen = Selection(options={"readjust": 0.2})
    for which in (chosen, replace(chosen, interleaved=False), replace(chosen, compensation=None)):
        which.mask(None, [], [], None)
    chosen.mask(None, [], [], None, readjust=0.0)
    assert asked == [(0.2, 0.0), 0.2, 0.2, 0.0]


def test_a_loop_decides_once(case):
    model, x, groups = case
    budget, chosen, kept = Budget(filters_removed=0.6), Selection(collapse="ignore"), []
    chosen.mask(model, groups, [x], budget, decided=kept.append)
    assert chosen.damping(model, groups, [x], budget, readjust=0.1) == kept[0]
    assert replace(chosen, compensation=None).damping(model, groups, pytest.fail, budget, readjust=0.1) == 0.1
    assert replace(chosen, criterion="l1_magnitude").damping(model, groups, pytest.fail, budget, readjust=0.1) == 0.1


def test_options_of_other_criteria_are_still_refused(case):
    model, x, groups = case
    with pytest.raises(EasiEdgeError, match="readjust"):
        select(model, groups, [x], budget=Budget(filters_removed=0.5), criterion="l1_magnitude", readjust=0.1)
