"""Ratios from turns: right under drift and under preemption, honest about noise.  Made-up times stand for the clocks."""

import itertools

import numpy as np
import pytest

from easiedge.deploy.bench import interleaved as module
from easiedge.deploy.bench.interleaved import Timed, block, interleaved, times_faster


def timed(wall, busy=None, interrupted=None):
    wall = np.asarray(wall, dtype=float)
    bad = np.zeros(wall.shape, dtype=bool) if interrupted is None else np.asarray(interrupted)
    return Timed(wall, wall if busy is None else np.asarray(busy, dtype=float), bad)


class Machine:
    """Networks whose blocks take ``ms`` times the machine's slowness, which moves from call to call."""

    def __init__(self, slowness):
        self.slowness, self.order = iter(slowness), []

    def network(self, name, ms):
        def run():
            raise AssertionError("only blocks are timed")

        run.made_up = (name, ms)
        return run

    def block(self, run, runs):
        name, ms = run.made_up
        self.order.append((name, runs))
        took = np.full(runs, ms * next(self.slowness))
        return np.stack([took, took, np.zeros(runs)])


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
    assert faster.estimate == pytest.approx(4.0, rel=2e-3) and faster.clock == "wall"
    assert faster.low <= faster.estimate <= faster.high and faster.high - faster.low < 0.02
    alone = np.median(found["pruned"].wall_ms[-1]) / np.median(found["pruned"].wall_ms[0])
    assert alone > 1.03  # the machine did drift


def test_every_round_has_every_network_and_the_order_turns(machine):
    still = machine(itertools.repeat(1.0))
    found = interleaved({n: still.network(n, 1.0) for n in "abc"}, seconds=0.0, rounds=4)
    blocks = [name for name, _ in still.order[3 * module.WARM_UP_RUNS :]][::2]  # each begins with an untimed run
    turns = [blocks[i : i + 3] for i in range(0, 12, 3)]
    assert all(sorted(t) == ["a", "b", "c"] for t in turns)
    assert turns[0] == turns[1][::-1] == turns[2] and turns[3] == turns[1]
    assert all(found[n].wall_ms.shape == (4, 1) for n in "abc")


def test_quick_networks_run_more_often_within_equal_seconds(machine):
    still = machine(itertools.repeat(1.0))
    found = interleaved(
        {"slow": still.network("slow", 10.0), "quick": still.network("quick", 1.0)}, seconds=4.0, rounds=10
    )
    assert found["slow"].wall_ms.shape == (10, 19) and found["quick"].wall_ms.shape == (10, 199)
    assert found["slow"].median_ms == 10.0 and found["quick"].percentile_ms(95) == 1.0


def preempted(ms, rounds, runs, slice_ms, away_ms, seed):
    """Runs of ``ms`` on a core that another process takes away for ``away_ms`` every ``slice_ms`` of work: long runs are hit, short ones seldom."""
    random = np.random.default_rng(seed)
    hits = np.floor(random.random((rounds, runs)) + ms / slice_ms)
    return timed(ms + hits * away_ms, np.full((rounds, runs), ms), hits > 0)


@pytest.mark.parametrize(("slice_ms", "clock"), [(12.0, "wall"), (4.0, "processor")])
def test_preemption_that_hits_long_runs_only_does_not_make_the_short_one_look_faster(slice_ms, clock):
    dense = preempted(6.0, 20, 20, slice_ms, 9.0, seed=0)
    pruned = preempted(1.5, 20, 60, slice_ms, 9.0, seed=1)
    by_the_clock = np.median(dense.wall_ms) / np.median(pruned.wall_ms)
    found = times_faster(pruned, dense)
    assert found.estimate == pytest.approx(4.0) and found.clock == clock
    if clock == "processor":
        assert by_the_clock > 8.0 and dense.disturbed == 1.0  # what was printed before
    else:
        assert dense.median_ms == 6.0 and 0.3 < dense.disturbed < 0.7


def test_one_disturbed_round_moves_little_and_the_interval_grows_with_noise():
    quiet, disturbed = np.full((20, 5), 2.0), np.full((20, 5), 2.0)
    disturbed[3] = 40.0
    reference = timed(np.full((20, 5), 6.0))
    assert times_faster(timed(disturbed), reference).estimate == pytest.approx(3.0)
    noisy = quiet * np.random.default_rng(0).uniform(0.8, 1.25, (20, 1))
    found = times_faster(timed(noisy), reference)
    assert found.high - found.low > 0.1
    exact = times_faster(timed(quiet), reference)
    assert (exact.low, exact.estimate, exact.high) == (3.0, 3.0, 3.0)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    random, inside = np.random.default_rng(1), 0
    for trial in range(200):
        own, other = (ms * random.lognormal(0, 0.1, (20, 1)) for ms in (1.0, 5.0))
        found = times_faster(timed(own), timed(other), seed=trial)
        inside += found.low <= 5.0 <= found.high
    assert 170 <= inside <= 200


def test_a_block_reads_three_clocks_of_every_run():
    done = []
    found = block(lambda: done.append(1), 4)
    assert found.shape == (3, 4) and len(done) == 4 and (found[:2] >= 0).all()
