"""The search itself: what is accepted, when layers close, resumption, processes, and the strategies one by one."""

import itertools
import math

import numpy as np
import pytest
import torch
from tiny_task import start, training

from easiedge.sealed import read_sealed, write_sealed
from easiedge.search.checkpoint import as_content, of_content
from easiedge.search.evaluation import Evaluation
from easiedge.search.greedy import begun, search, step
from easiedge.search.jump import Jump
from easiedge.search.lean_training import Quality, quality
from easiedge.search.proposal import Proposal, SearchState
from easiedge.search.strategies.greedy_random import GreedyRandom
from easiedge.search.strategies.information_gain import JointInformationGain, SingleInformationGain
from easiedge.search.strategies.natural_order import NaturalOrder
from easiedge.search.strategies.random_layer import RandomLayer


@pytest.fixture(scope="module")
def here():
    return start()


def judge(accuracy):
    """An evaluation that trains nothing: ``accuracy`` of the widths of a network."""

    def evaluate(networks, seeds, enough):
        return [
            (n, Quality(accuracy(*(m.out_features for m in n.modules() if isinstance(m, torch.nn.Linear))), 0.0))
            for n in networks
        ]

    return evaluate


def units(found):
    return found.structure.sizes


def test_grs_takes_the_best_layer_and_closes_those_that_fail(here):
    # hidden2 is worth more the narrower it is, down to 2; hidden1 must keep 5
    found = search(
        begun(here, GreedyRandom()),
        GreedyRandom(),
        judge(lambda a, b, c: 0.9 - 0.01 * b if a >= 5 and b >= 2 else 0.1),
        0.5,
    )
    assert units(found) == {"hidden1": 5, "hidden2": 2} and found.finished
    assert [s.candidates for s in found.steps] == [2, 2, 2, 1]
    assert [s.removed for s in found.steps] == [{"hidden2": 1}, {"hidden2": 1}, {"hidden1": 1}, {}]
    assert found.steps[-1].accepted is False and found.steps[-1].mean_accuracy == pytest.approx(0.1)
    assert found.steps[0].mean_accuracy == pytest.approx((0.9 - 0.04 + 0.9 - 0.03) / 2)


def test_what_passes_is_at_least_the_floor(here):
    exact = judge(lambda a, b, c: 0.5)
    assert sum(units(search(begun(here, GreedyRandom()), GreedyRandom(), exact, 0.5)).values()) == 2
    assert units(search(begun(here, GreedyRandom()), GreedyRandom(), exact, 0.5 + 1e-9)) == {"hidden1": 6, "hidden2": 4}


def test_layers_of_one_unit_are_closed():
    one = start((1, 3))
    found = begun(one, GreedyRandom())
    assert found.state.open == ("hidden2",)
    assert units(search(found, GreedyRandom(), judge(lambda *w: 1.0), 0.5)) == {"hidden1": 1, "hidden2": 1}


def test_rrs_tries_one_layer_a_step(here):
    tried = [
        RandomLayer().propose(here, SearchState(k, ("hidden1", "hidden2")), np.random.default_rng(k)) for k in range(40)
    ]
    assert all(len(t) == 1 and t[0].units == 1 for t in tried)
    assert {name for t in tried for name in t[0].removed} == {"hidden1", "hidden2"}
    assert {u for t in tried for u in t[0].removed.get("hidden2", ())} == {0, 1, 2, 3}


def test_rrs_closes_the_layer_that_fails_and_goes_on_with_the_others(here):
    found = search(begun(here, RandomLayer()), RandomLayer(), judge(lambda a, b, c: float(a >= 4 and b >= 3)), 0.5)
    assert units(found) == {"hidden1": 4, "hidden2": 3}
    assert [s.candidates for s in found.steps] == [1] * 5 and [s.accepted for s in found.steps].count(False) == 2


def test_nwm_takes_the_smallest_unit_of_the_first_open_layer(here):
    state = SearchState(0, ("hidden2",))
    (proposal,) = NaturalOrder().propose(here, state, np.random.default_rng(0))
    smallest = int(here.network.get_submodule("hidden2").weight.abs().sum(1).argmin())
    assert proposal.removed == {"hidden2": (smallest,)}
    found = search(begun(here, NaturalOrder()), NaturalOrder(), judge(lambda a, b, c: float(a >= 4 and b >= 3)), 0.5)
    assert units(found) == {"hidden1": 4, "hidden2": 3}
    assert [next(iter(s.removed), None) for s in found.steps] == ["hidden1", "hidden1", None, "hidden2", None]


def test_information_gain_takes_the_unit_that_costs_least_for_its_parameters():
    here = start()
    with torch.no_grad():
        here.network.get_submodule("hidden2").bias += 5.0  # all of them are alive
        here.network.get_submodule("output").weight[:, 2] = 0.0  # nobody listens to it
    strategy = SingleInformationGain([here.inputs])
    (proposal,) = strategy.propose(here, SearchState(0, ("hidden1", "hidden2")), np.random.default_rng(0))
    assert proposal.removed == {"hidden2": (2,)} and not proposal.refit
    (proposal,) = strategy.propose(here, SearchState(0, ("hidden1",)), np.random.default_rng(0))
    assert list(proposal.removed) == ["hidden1"] and proposal.units == 1


def test_joint_information_gain_halves_its_rate_down_to_one_unit():
    here = start((12, 8))
    strategy = JointInformationGain([here.inputs])
    found = search(
        begun(here, strategy), strategy, judge(lambda a, b, c: float(a >= 11)), 0.5, calibration=[here.inputs]
    )
    assert units(found)["hidden1"] == 11 and units(found)["hidden2"] == 1
    assert len(found.steps) < 19  # fewer than units that went and layers that closed, one a step
    assert {s.phase for s in found.steps[:-1]} <= {"far", "near"} and found.steps[-1].phase == "settling"
    assert found.steps[0].phase == "far" and not found.steps[0].accepted


def test_a_refitted_candidate_says_more_of_what_the_network_said():
    here = start((8, 6))
    removed = {"hidden1": (0, 1, 2), "hidden2": (0,)}
    wanted = here.network(here.inputs)
    far, near = ((here.without(removed, fit)(here.inputs) - wanted).abs().mean() for fit in (None, [here.inputs]))
    assert near < far


def test_jumps_go_on_until_all_attempts_fail_and_then_smaller_ones_and_then_grs():
    here = start((8, 8))
    strategy = Jump((0.5, 0.25), 3, GreedyRandom())
    found = search(begun(here, strategy), strategy, judge(lambda a, b, c: float(a + b >= 5)), 0.5)
    assert sum(units(found).values()) == 5
    phases = [name for name, _ in itertools.groupby(s.phase for s in found.steps)]
    assert phases == ["far 1", "far 2", "near"]
    assert [(s.units, s.accepted) for s in found.steps if s.phase == "far 2"] == [
        (6, True)
    ]  # a quarter of three is none
    far = [s for s in found.steps if s.phase == "far 1"]
    assert [s.candidates for s in far] == [3, 3] and [s.units for s in far] == [8, 8] and not far[-1].accepted


def test_attempts_differ_and_take_the_share_of_every_open_layer(here):
    tried = Jump((0.5,), 4, GreedyRandom()).propose(
        here, SearchState(0, ("hidden1", "hidden2"), "far 1", 0.5), np.random.default_rng(0)
    )
    assert [{n: len(u) for n, u in p.removed.items()} for p in tried] == [{"hidden1": 3, "hidden2": 2}] * 4
    assert len({tuple(map(tuple, p.removed.items())) for p in tried}) > 1


STRATEGIES = {
    "grs": lambda here: GreedyRandom(),
    "joint": lambda here: JointInformationGain([here.inputs]),
    "jump": lambda here: Jump((0.5,), 2, GreedyRandom()),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_search_that_was_stopped_ends_as_one_that_was_not(name, tmp_path):
    here = start((5, 4))
    strategy, kept, floor = STRATEGIES[name](here), [], 0.95 * here.quality.accuracy
    evaluate = Evaluation(training())
    whole = search(
        begun(here, strategy), strategy, evaluate, floor, seed=3, calibration=[here.inputs], remember=kept.append
    )
    assert sum(units(whole).values()) < 9
    for stopped in kept[:-1][:: max(1, len(kept) // 3)]:
        write_sealed(tmp_path / "state", as_content(stopped))
        again = of_content(read_sealed(tmp_path / "state"), here.inputs)
        ended = search(again, strategy, evaluate, floor, seed=3, calibration=[here.inputs])
        assert units(ended) == units(whole) and ended.structure.quality == whole.structure.quality
        assert all(
            torch.equal(p, q)
            for p, q in zip(ended.structure.network.parameters(), whole.structure.network.parameters(), strict=True)
        )
        assert all(torch.equal(ended.structure.kept[n], k) for n, k in whole.structure.kept.items())
        plain = [[(s.step, s.phase, s.mean_accuracy, s.units) for s in p.steps] for p in (ended, whole)]
        assert plain[0] == plain[1]


def test_a_hasty_search_trains_until_a_candidate_holds_and_the_last_structure_in_full(here):
    seen, inner = [], Evaluation(training())

    def evaluate(networks, seeds, enough):
        seen.append(enough)
        return inner(networks, seeds, enough)

    strategy, floor = JointInformationGain([here.inputs]), 0.95 * here.quality.accuracy
    kept = []
    found = search(
        begun(here, strategy), strategy, evaluate, floor, seed=1, calibration=[here.inputs], remember=kept.append
    )
    assert seen == [floor] * (len(seen) - 1) + [math.inf] and len(seen) > 2
    before = kept[-2].structure
    assert found.structure.quality >= before.quality and before.quality.accuracy >= floor
    assert units(found) == before.sizes and all(torch.equal(before.kept[n], k) for n, k in found.structure.kept.items())
    assert found.finished and not kept[-2].finished and found.steps[-1].removed == {}


def test_scores_of_a_structure_are_looked_up_and_are_those_of_a_fresh_look(here):
    strategy, other = JointInformationGain([here.inputs]), JointInformationGain([here.inputs])
    first = strategy._scores(here)
    assert strategy._scores(here) is first
    for name, values in other._scores(here).values.items():
        assert torch.equal(values, first.values[name])
    smaller = start((4, 3))
    assert strategy._scores(smaller).values["hidden1"].numel() == 4


def test_the_network_that_is_left_has_the_quality_that_was_accepted_and_the_units_that_are_said(here):
    found = search(
        begun(here, GreedyRandom()), GreedyRandom(), Evaluation(training()), 0.95 * here.quality.accuracy, seed=1
    )
    assert quality(found.structure.network, training().val) == found.structure.quality
    assert found.structure.quality.accuracy >= 0.95 * here.quality.accuracy
    mask = found.structure.mask({"hidden1": 6, "hidden2": 4})
    assert mask.kept() == units(found) and sum(units(found).values()) == found.steps[-1].units
    another = search(
        begun(here, GreedyRandom()), GreedyRandom(), Evaluation(training()), 0.95 * here.quality.accuracy, seed=2
    )
    assert [s.mean_accuracy for s in another.steps] != [s.mean_accuracy for s in found.steps]


def test_kept_numbers_are_those_of_the_original(here):
    smaller = here.without({"hidden1": (0, 2)})
    one = here.next(smaller, {"hidden1": (0, 2)}, Quality(1.0))
    two = one.next(one.without({"hidden1": (1,), "hidden2": (3,)}), {"hidden1": (1,), "hidden2": (3,)}, Quality(1.0))
    assert two.kept["hidden1"].tolist() == [1, 4, 5] and two.kept["hidden2"].tolist() == [0, 1, 2]
    weight = two.network.get_submodule("hidden1").weight
    assert torch.equal(weight, here.network.get_submodule("hidden1").weight[[1, 4, 5]])


def test_processes_find_what_one_finds(here):
    networks = [here.without(Proposal({"hidden1": (k,)}).removed) for k in range(3)]
    alone = Evaluation(training())([here.without({"hidden1": (k,)}) for k in range(3)], [4, 5, 6])
    with Evaluation(training(), 2) as pool:
        together = pool(networks, [4, 5, 6])
    for (a, x), (b, y) in zip(alone, together, strict=True):
        assert x == y and all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_a_step_without_candidates_closes_what_is_open(here):
    class Empty(GreedyRandom):
        def propose(self, here, state, rng):
            return []

    assert step(begun(here, Empty()), Empty(), judge(lambda *w: 1.0), 0.5, 0, ()).finished
