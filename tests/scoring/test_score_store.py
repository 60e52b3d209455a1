"""Shared scores are those that would have been computed, bit for bit, and are looked up only where everything is the same."""

import copy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from networks import centred, network

import easiedge
from easiedge.model.filter_groups import find_groups
from easiedge.scoring import score_store
from easiedge.scoring.score import CRITERIA, accepts, score
from easiedge.scoring.score_store import SharedScores, score_key
from easiedge.store import Store
from easiedge.unit import Budget, FilterMask

OPTIONS = {"probe": "sketch", "passes": 2, "seed": 3}


def batches(seed=0, count=2):
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(6, 2, 8, 8, generator=generator), torch.arange(6) % 3)
        for _ in range(count)
    ]  # fmt: skip


@pytest.fixture
def model():
    return network("Residual")


@pytest.fixture
def groups(model):
    return find_groups(model, batches()[0][0][:2])


@pytest.fixture
def shared(tmp_path):
    return SharedScores(Store(tmp_path / "scores"))


def assert_same(one, other):
    assert one.criterion == other.criterion and list(one.values) == list(other.values)
    for name, value in one.values.items():
        assert value.dtype == other.values[name].dtype and torch.equal(value, other.values[name])
    assert (one.interaction is None) == (other.interaction is None)
    if one.interaction is not None:
        assert one.interaction.names == other.interaction.names
        assert one.interaction.readjust == other.interaction.readjust
        for form in ("gradient", "fisher", "rows"):
            a, b = getattr(one.interaction, form), getattr(other.interaction, form)
            assert (a is None) == (b is None)
            if a is not None:
                assert a.dtype == b.dtype and a.stride() == b.stride() and torch.equal(a, b)


@pytest.mark.parametrize("options", [{}, {"readjust": 0.1}, {"matrix_limit": 0}, {"precision": "bfloat16"}])
def test_the_joint_form_comes_back_whole(model, groups, shared, options):
    alone = score(model, groups, batches(), "joint_information_gain", **OPTIONS, **options)
    for made, found in ((1, 0), (1, 1), (1, 2)):
        assert_same(alone, shared(model, groups, batches(), "joint_information_gain", **OPTIONS, **options))
        assert (shared.made, shared.found) == (made, found)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_criterion_is_shared_and_leaves_the_random_state_alone(model, groups, shared, criterion):
    """Otherwise what follows would depend on whether the scores were computed or looked up."""
    centred(model, torch.cat([x for x, _ in batches()]))
    torch.manual_seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    alone = score(model, groups, batches(), criterion)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002
    assert_same(alone, shared(model, groups, batches(), criterion))
    assert_same(alone, shared(model, groups, batches(), criterion))
    assert (shared.made, shared.found) == (1, 1)


def test_what_is_looked_up_counts_for_the_seconds_that_it_took(model, groups, tmp_path, monkeypatch):
    clock = iter([10.0, 14.5])
    monkeypatch.setattr(score_store, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    first, later = (SharedScores(Store(tmp_path / "scores")) for _ in range(2))
    first(model, groups, batches(), "l1_magnitude")
    assert first.spared == 0.0
    for spared in (4.5, 9.0):
        later(model, groups, batches(), "l1_magnitude")
        assert later.spared == spared


def test_a_copy_of_the_network_and_equal_batches_find_the_scores(model, groups, shared):
    shared(model, groups, batches(), "joint_information_gain")
    again = copy.deepcopy(model)
    shared(again, find_groups(again, batches()[0][0][:2]), iter(batches()), "joint_information_gain")
    assert (shared.made, shared.found) == (1, 1)


def test_everything_that_decides_the_scores_is_in_the_key(model, groups):
    def weight(m):
        m.a1.weight.data[0, 0, 0, 0] += 1e-6

    def buffer(m):
        m.a1_bn.running_var[0] *= 1 + 1e-6

    changed = []
    for change in (weight, buffer):
        other = copy.deepcopy(model)
        change(other)
        changed.append(other)
    logits = [torch.zeros(6, 3), torch.zeros(6, 3)]
    nudged = [logits[0], torch.full((6, 3), 1e-7)]
    swapped = [(x, y.flip(0)) for x, y in batches()]
    mask = FilterMask.full(groups)
    joint, single = "joint_information_gain", "taylor_information_gain"
    keys = [
        score_key(model, groups, batches(), joint, OPTIONS),
        *(score_key(other, groups, batches(), joint, OPTIONS) for other in changed),
        score_key(model, groups[1:], batches(), joint, OPTIONS),
        score_key(model, groups[::-1], batches(), joint, OPTIONS),
        score_key(model, groups, batches(1), joint, OPTIONS),
        score_key(model, groups, batches()[::-1], joint, OPTIONS),
        score_key(model, groups, batches(count=1), joint, OPTIONS),
        score_key(model, groups, swapped, joint, OPTIONS),
        score_key(model, groups, batches(), single, OPTIONS),
        score_key(model, groups, batches(), joint, {**OPTIONS, "seed": 4}),
        score_key(model, groups, batches(), joint, {**OPTIONS, "passes": 3}),
        score_key(model, groups, batches(), joint, {**OPTIONS, "probe": "exact"}),
        score_key(model, groups, batches(), joint, {**OPTIONS, "tutor": logits}),
        score_key(model, groups, batches(), joint, {**OPTIONS, "tutor": nudged}),
        score_key(model, groups, batches(), joint, {**OPTIONS, "tutor": model}),
        score_key(model, groups, batches(), joint, {**OPTIONS, "mask": mask}),
    ]
    assert len(set(keys)) == len(keys)


def test_the_number_of_threads_is_in_the_key(model, groups):
    """Sums are taken in another order."""
    threads = torch.get_num_threads()
    before = score_key(model, groups, batches(), "random", {})
    try:
        torch.set_num_threads(threads + 1)
        assert score_key(model, groups, batches(), "random", {}) != before
    finally:
        torch.set_num_threads(threads)


def test_a_function_as_tutor_is_never_looked_up(model, groups, shared):
    for _ in range(2):
        shared(model, groups, batches(), "joint_information_gain", tutor=lambda x: torch.zeros(len(x), 3))
    assert (shared.made, shared.found) == (2, 0)


def test_a_damaged_entry_is_scored_again(model, groups, shared, caplog):
    alone = shared(model, groups, batches(), "joint_information_gain")
    (entry,) = shared.store.directory.iterdir()
    entry.write_bytes(entry.read_bytes()[:-9])
    for made, found in ((2, 0), (2, 1)):
        assert_same(alone, shared(model, groups, batches(), "joint_information_gain"))
        assert (shared.made, shared.found) == (made, found)
    assert caplog.text.count("made afresh") == 1


def chosen(model, groups, scorer=score, share=0.5, compensation="least_squares", **options):
    return easiedge.select(
        model, groups, batches(), budget=Budget(filters_removed=share), chunk=0.1, compensation=compensation, ridge=1e-3, scorer=scorer, **options
    )  # fmt: skip


@pytest.mark.parametrize("compensation", [None, "least_squares"])
def test_a_selection_scores_nothing_that_another_has_scored(model, groups, shared, compensation):
    alone = chosen(model, groups, compensation=compensation)
    asked, first = (
        (9, (6, 3)) if compensation else (5, (5, 0))
    )  # with a refit in two ways, which share what they have in common
    for made, found in (first, (first[0], first[1] + asked)):
        mask = chosen(model, groups, shared, compensation=compensation)
        assert (shared.made, shared.found) == (made, found)
        assert all(torch.equal(alone.keep[name], keep) for name, keep in mask.keep.items())


def test_the_way_to_a_smaller_budget_is_the_beginning_of_that_to_a_larger_one(model, groups, shared):
    chosen(model, groups, shared, share=0.3)
    assert (shared.made, shared.found) == (3, 2)  # both ways go through the same networks
    mask = chosen(model, groups, shared, share=0.5)
    assert (shared.made, shared.found) == (6, 8)
    alone = chosen(model, groups, share=0.5)
    assert all(torch.equal(alone.keep[name], keep) for name, keep in mask.keep.items())


def test_another_process_finds_the_scores_at_compensated_networks_too(model, groups, shared):
    """Its compensated networks are bit for bit this one's, or it would look under other keys."""
    chosen(model, groups, shared)
    program = (
        "import sys, torch; from pathlib import Path\n"
        f"torch.set_num_threads({torch.get_num_threads()})\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from networks import network\n"
        "from scoring.test_score_store import SharedScores, Store, batches, chosen, find_groups\n"
        "shared, model = SharedScores(Store(Path(sys.argv[1]))), network('Residual')\n"
        "chosen(model, find_groups(model, batches()[0][0][:2]), shared)\n"
        "print(shared.made, shared.found)"
    )
    tests = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program, str(shared.store.directory), str(tests)], capture_output=True, text=True, check=True,
        cwd=tests.parent,
    )  # fmt: skip
    assert done.stdout.split() == ["0", str(shared.made + shared.found)]


def test_the_tutors_logits_are_hashed_once(model, groups, shared, monkeypatch):
    from easiedge.model import digest

    hashed = []
    bytes_digest = digest._bytes_digest
    monkeypatch.setattr(digest, "_bytes_digest", lambda t: hashed.append(tuple(t.shape)) or bytes_digest(t))
    assert accepts("joint_information_gain", "tutor")
    same = batches()
    easiedge.select(model, groups, same, budget=Budget(filters_removed=0.5), chunk=0.1, scorer=shared, first_order=True)
    assert shared.made == 5
    assert hashed.count((6, 3)) == len(same)  # logits
    assert hashed.count((6, 2, 8, 8)) == len(same)  # images
