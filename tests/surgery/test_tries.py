"""With a refit units are chosen in several ways, and the exact information gain decides."""

from dataclasses import replace

import pytest
import torch
from networks import images, network

from easiedge.errors import EasiEdgeError
from easiedge.model.cost import network_cost
from easiedge.model.filter_groups import find_groups
from easiedge.projection.budget import limits
from easiedge.projection.floors import Floors
from easiedge.schedule.selection import Selection
from easiedge.surgery.calibration import Calibration
from easiedge.surgery.compensate import Compensation
from easiedge.surgery.select import select
from easiedge.surgery.tries import POWERS, Judge, Part, Way, best_way, dampings, rankings
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
    assert parts == {True: [3, 7, 11], False: [0, 1, 2, 4, 5, 6, 8, 9, 10]}
    for size in (1, 3, 5, 7, 12):  # however they are dealt into batches
        dealt = Calibration(list(torch.arange(12.0)[:, None].split(size)), 1e9, "test")
        assert torch.cat(list(Part(dealt, True)))[:, 0].tolist() == parts[True]
    few = Calibration([torch.zeros(2, 1), torch.zeros(1, 1)], 1e9, "test")
    assert len(torch.cat(list(Part(few, True)))) == len(torch.cat(list(Part(few, False)))) == 3


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
    (way,) = told
    assert loss[way.readjust] == pytest.approx(min(loss.values()), rel=1e-3)
    assert all(torch.equal(kept, alone[way.readjust].keep[g]) for g, kept in chosen.keep.items())


@pytest.mark.parametrize("name", ["Residual", "Depthwise"])
@pytest.mark.parametrize("removed", [0.4, 0.6, 0.7])
def test_the_power_of_the_cost_is_raised_as_long_as_the_loss_falls(name, removed):
    torch.manual_seed(1)
    model, x, told = network(name).eval(), images(32), []
    groups = find_groups(model, x)
    given = {"budget": Budget(macs_removed=removed), "chunk": 0.2, "compensation": "least_squares", "readjust": 0.1}
    chosen = select(model, groups, [x], decided=told.append, **given)
    alone = {power: select(model, groups, [x], ranking=power, **given) for power in POWERS}
    loss = {power: judged(model, groups, x, mask) for power, mask in alone.items()}
    climbed = [1.0]
    for power in POWERS[1:]:
        if loss[power] >= loss[climbed[-1]] * (1 - 1e-3):
            break
        climbed.append(power)
    assert told == [Way(0.1, climbed[-1])], loss
    assert all(torch.equal(kept, alone[climbed[-1]].keep[g]) for g, kept in chosen.keep.items())


def test_both_ways_are_told_of_and_start_anew(case):
    model, x, groups = case
    seen = []
    select(
        model, groups, [x], budget=Budget(filters_removed=0.6), chunk=0.3, compensation="least_squares",
        progress=lambda done, of, mask: seen.append((done, of, round(mask.share_removed(), 1))),
    )  # fmt: skip
    assert seen == [(1, 4, 0.3), (2, 4, 0.6), (3, 4, 0.3), (4, 4, 0.6)]


def masked(number):
    return FilterMask({"layer": torch.tensor([bool(number & 1), bool(number & 2), bool(number & 4)])})


def number(mask):
    return sum(2**k for k, kept in enumerate(mask.keep["layer"].tolist()) if kept)


@pytest.mark.parametrize(
    ("losses", "asked", "best"),
    [
        ({(0.1, 1): (1, 2.0), (0.0, 1): (2, 1.0), (0.0, 2): (3, 1.5)}, 3, (0.0, 1)),
        ({(0.1, 1): (1, 1.0), (0.0, 1): (2, 2.0), (0.1, 2): (3, 0.5), (0.1, 4): (4, 0.7)}, 4, (0.1, 2)),
        ({(0.1, 1): (1, 1.0), (0.0, 1): (2, 1.0), (0.1, 2): (3, 0.5), (0.1, 4): (4, 0.4)}, 4, (0.1, 4)),
        ({(0.1, 1): (1, 1.0), (0.0, 1): (1, 9.0), (0.1, 2): (1, 9.0)}, 0, (0.1, 1)),  # equal masks need no network
        ({(0.1, 1): (1, 1.0), (0.0, 1): (1, 9.0), (0.1, 2): (2, 0.5), (0.1, 4): (2, 9.0)}, 2, (0.1, 2)),
    ],
)
def test_dampings_first_and_then_powers_as_long_as_they_help(losses, asked, best):
    by_mask, chosen, judged = {}, [], []
    for mask, loss in losses.values():
        by_mask.setdefault(mask, loss)

    def mask(way):
        chosen.append((way.readjust, way.ranking))
        return masked(losses[way.readjust, way.ranking][0])

    def loss(mask):
        judged.append(number(mask))
        return by_mask[number(mask)]

    assert best_way((0.1, 0.0), (1, 2, 4), mask, loss) == Way(*best)
    assert chosen == list(losses) and len(judged) == len(set(judged)) == asked


def test_a_single_way_is_not_judged():
    assert best_way((0.3,), ("auto",), lambda way: masked(1), pytest.fail) == Way(0.3, "auto")


def test_what_is_tried():
    assert dampings("joint_information_gain", {}, fit=True) == (0.1, 0.0)
    assert dampings("joint_information_gain", {"readjust": [0.3, 0.0, 0.3]}, fit=False) == (0.3, 0.0)
    assert dampings("joint_information_gain", {"readjust": 0.3}, fit=True) == (0.3,)
    assert dampings("joint_information_gain", {}, fit=False) == (0.0,)
    assert dampings("l1_magnitude", {}, fit=True) == (0.0,)
    for wrong in (-1, [0.1, -1.0], [], "0.1", None, True, float("nan"), [float("inf")]):
        with pytest.raises(EasiEdgeError, match=r"readjust=.* must be 0"):
            dampings("joint_information_gain", {"readjust": wrong}, fit=True)


def test_powers_are_tried_where_costs_differ(case):
    model, x, groups = case

    def tried(criterion="joint_information_gain", ranking="auto", scope="global", fit=True, **budget):
        budget = Budget(**budget or {"macs_removed": 0.5})
        bounds = limits(budget, groups, network_cost(model, groups, x, budget), Floors())
        return rankings(criterion, ranking, scope, bounds, fit)

    assert tried() == tried(macs_removed=0.5, filters_removed=0.2) == POWERS
    for alone in ({"fit": False}, {"scope": "layerwise"}, {"criterion": "l1_magnitude"}, {"filters_removed": 0.5}):
        assert tried(**alone) == ("auto",)
    assert tried(ranking="per_cost") == ("per_cost",) and tried(ranking=2) == (2,)


def test_a_selection_tries_its_own_where_it_refits(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "easiedge.schedule.selection.select", lambda *_, readjust, **__: asked.append(readjust) or FilterMask({})
    )
    chosen = Selection(options={"readjust": 0.2})
    for changed in ({}, {"interleaved": False}, {"compensation": None}, {"compensation": "none"}):
        replace(chosen, **changed).mask(None, [], [], None)
    chosen.mask(None, [], [], None, readjust=0.0)
    replace(chosen, options={}, compensation=None).mask(None, [], [], None)
    assert asked == [(0.2, 0.0), 0.2, 0.2, 0.2, 0.0, 0.0]


@pytest.mark.parametrize(("name", "better"), [("Residual", 0.1), ("Depthwise", 0.0)])
def test_a_loop_decides_once(name, better):
    torch.manual_seed(1)
    model, x = network(name).eval(), images(32)
    groups, budget, chosen = (
        find_groups(model, x),
        Budget(filters_removed=0.6),
        Selection(collapse="ignore", ridge=1e-3),
    )
    for own in (chosen, replace(chosen, options={"readjust": 0.1})):
        mask, way = own.decided(model, groups, [x], budget)
        assert way == Way(better, "auto")
        alone = chosen.mask(model, groups, [x], budget, readjust=way.readjust)
        assert all(torch.equal(kept, alone.keep[g]) for g, kept in mask.keep.items())
    for given in (0.1, 0.0):
        assert chosen.decided(model, groups, [x], budget, readjust=given)[1].readjust == (better if given else 0.0)
        for fixed in (replace(chosen, compensation=None), replace(chosen, interleaved=False)):
            assert fixed.decided(model, groups, [x], budget, readjust=given)[1].readjust == given
    assert replace(chosen, compensation=None).decided(model, groups, [x], budget)[1].readjust == 0.0
    assert replace(chosen, criterion="l1_magnitude").decided(model, groups, [x], budget, readjust=0.1)[1].readjust == 0
    _, way = chosen.decided(model, groups, [x], Budget(macs_removed=0.6))
    assert way.ranking in POWERS
    assert replace(chosen, ranking=3).decided(model, groups, [x], Budget(macs_removed=0.6))[1].ranking == 3


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_networks_in_half_precision_are_judged_in_double(half):
    torch.manual_seed(2)
    told = 4 * torch.randn(64, 10, dtype=torch.float64)
    said = (told + 1e-2 * torch.randn_like(told)).to(half)
    told = told.to(half)
    p, q = told.double().softmax(1), said.double().softmax(1)
    expected = float((p * (p / q).log()).sum(1).mean())
    judge = Judge(torch.nn.Identity(), [told])
    assert judge.loss(_Says(said)) == pytest.approx(expected, rel=1e-6)


class _Says(torch.nn.Module):
    """The same logits, whatever it is asked."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, x):
        return self.logits


def test_options_of_other_criteria_are_still_refused(case):
    model, x, groups = case
    with pytest.raises(EasiEdgeError, match="readjust"):
        select(model, groups, [x], budget=Budget(filters_removed=0.5), criterion="l1_magnitude", readjust=0.1)
