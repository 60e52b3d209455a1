"""Ratios from turns: right under drift, honest about noise.  Blocks of made-up times stand for the clock."""

import itertools

import numpy as np
import pytest

from easiedge.deploy.bench import interleaved as module
from easiedge.deploy.bench.interleaved import Timed, interleaved, times_faster


class Machine:
    """Networks whose blocks take ``ms`` times the machine's slowness, which moves from call to call."""

    def __init__(self, slowness):
        self.slowness, self.order = iter(slowness), []

    def network(self, name, ms):
        def run():
            raise AssertionError("only blocks are timed")

        run.made_up = (name, ms)
        return run

    def block(self, run, untimed, timed, clock=None):
        name, ms = run.made_up
        self.order.append((name, untimed, timed))
        return np.full(timed, ms * next(self.slowness))


@pytest.fixture
def machine(monkeypatch):
    def make(slowness):
        made = Machine(slowness)
        monkeypatch.setattr(module, "block", made.block)
        return made

    return make


def test_slow_drift_leaves_the_ratio_alone(machine):
    drifting = machine(1.0 + 0.001 * i for i in itertools.count())
    found = interleaved(
        {"dense": drifting.network("dense", 8.0), "pruned": drifting.network("pruned", 2.0)}, seconds=1.0
    )
    faster = times_faster(found["pruned"], found["dense"])
    assert faster.estimate == pytest.approx(4.0, rel=2e-3)
    assert faster.low <= faster.estimate <= faster.high and faster.high - faster.low < 0.02
    alone = np.median(found["pruned"].runs_ms[-1]) / np.median(found["pruned"].runs_ms[0])
    assert alone > 1.03  # the machine did drift


def test_every_round_has_every_network_and_the_order_turns(machine):
    still = machine(itertools.repeat(1.0))
    found = interleaved({n: still.network(n, 1.0) for n in "abc"}, seconds=0.0, rounds=4)
    rounds = [name for name, untimed, timed in still.order if untimed == 1]
    turns = [rounds[i : i + 3] for i in range(0, 12, 3)]
    assert all(sorted(t) == ["a", "b", "c"] for t in turns)
    assert turns[0] == turns[1][::-1] == turns[2] and turns[3] == turns[1]
    assert all(found[n].runs_ms.shape == (4, 1) for n in "abc")


def test_quick_networks_run_more_often_within_equal_seconds(machine):
    still = machine(itertools.repeat(1.0))
    found = interleaved(
        {"slow": still.network("slow", 10.0), "quick": still.network("quick", 1.0)}, seconds=4.0, rounds=10
    )
    assert found["slow"].runs_ms.shape == (10, 19) and found["quick"].runs_ms.shape == (10, 199)
    assert found["slow"].median_ms == 10.0 and found["quick"].percentile_ms(95) == 1.0


def test_one_disturbed_round_moves_little_and_the_interval_grows_with_noise():
    quiet, disturbed = np.full((20, 5), 2.0), np.full((20, 5), 2.0)
    disturbed[3] = 40.0
    reference = Timed(np.full((20, 5), 6.0))
    assert times_faster(Timed(disturbed), reference).estimate == pytest.approx(3.0)
    noisy = quiet * np.random.default_rng(0).uniform(0.8, 1.25, (20, 1))
    found = times_faster(Timed(noisy), reference)
    assert found.high - found.low > 0.1 and Timed(noisy).drift > 0.1 > Timed(quiet).drift
    exact = times_faster(Timed(quiet), reference)
    assert (exact.low, exact.estimate, exact.high) == (3.0, 3.0, 3.0)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    random, inside = np.random.default_rng(1), 0
    for trial in range(200):
        own, other = (ms * random.lognormal(0, 0.1, (20, 1)) for ms in (1.0, 5.0))
        found = times_faster(Timed(own), Timed(other), seed=trial)
        inside += found.low <= 5.0 <= found.high
    assert 170 <= inside <= 200
