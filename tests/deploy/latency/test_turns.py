"""Times by turns, on a made-up machine whose clock says how fast it is."""

import numpy as np
import pytest

from easiedge.deploy.latency.measure_table import at_one_speed, disturbed
from easiedge.deploy.latency.profile import Profile, without_profiler
from easiedge.deploy.latency.turns import block, by_turns


class Machine:
    """Runs take their nominal milliseconds times how slow the machine is at the moment; now and then one is disturbed."""

    def __init__(self, slow, disturbed=0.0, seed=0):
        self.now, self.slow, self.disturbed, self.random = 0.0, slow, disturbed, np.random.default_rng(seed)

    def clock(self):
        return int(self.now * 1e6)

    def network(self, ms):
        def run():
            extra = 4.0 if self.random.random() < self.disturbed else 0.0
            self.now += ms * self.slow(self.now) + extra

        return run


def ramp(ms):
    """Half as slow again within four seconds."""
    return 1 + 0.5 * min(ms / 4000, 1.0)


def wave(ms):
    return 1.25 + 0.25 * np.sin(ms / 700)


@pytest.mark.parametrize("slow", [ramp, wave])
@pytest.mark.parametrize("nominal", [0.2, 3.0, 11.0])
def test_drift_is_taken_out(slow, nominal):
    machine = Machine(slow)
    machine.now = 900.0
    (turns,) = by_turns([machine.network(nominal)], machine.network(5.0), 30, 5, clock=machine.clock)
    assert turns.ratio * 5.0 == pytest.approx(nominal, rel=0.02)
    alone = block(machine.network(nominal), 5, 30, machine.clock)
    assert np.median(alone) > 1.02 * nominal


def test_disturbances_are_passed_over():
    machine = Machine(lambda _: 1.0, disturbed=0.2)
    (turns,) = by_turns([machine.network(2.0)], machine.network(5.0), 40, 5, clock=machine.clock)
    assert turns.ratio * 5.0 == pytest.approx(2.0, rel=0.02)
    assert turns.runs_ms.mean() > 1.2 * 2.0


def test_a_round_that_is_spoilt_is_passed_over():
    machine = Machine(lambda now: 3.0 if 150 < now < 190 else 1.0)
    (turns,) = by_turns([machine.network(2.0)], machine.network(5.0), 40, 5, clock=machine.clock)
    assert turns.runs_ms.max() == pytest.approx(6.0) and turns.ratio * 5.0 == pytest.approx(2.0, rel=0.02)


def test_several_networks_share_the_rounds():
    machine = Machine(wave)
    found = by_turns([machine.network(ms) for ms in (1.0, 2.0, 8.0)], machine.network(4.0), 24, 2, clock=machine.clock)
    np.testing.assert_allclose([4.0 * turns.ratio for turns in found], [1.0, 2.0, 8.0], rtol=0.03)
    assert all(turns.runs_ms.shape[0] == 8 and turns.runs_ms.size >= 24 for turns in found)


def test_few_repetitions_are_few():
    machine = Machine(lambda _: 1.0)
    (turns,) = by_turns([machine.network(20.0)], machine.network(30.0), 1, 0, clock=machine.clock)
    assert turns.runs_ms.shape == (1, 1) and turns.ratio == pytest.approx(2 / 3)


def made_up(layers, nodes, reference, profiler=0.0):
    """What is measured while the reference takes ``reference`` instead of 5 ms, with so much more per operator in the profile."""
    slow = reference / 5.0
    return Profile(slow * sum(layers), 0.01, slow * (np.array(layers) + profiler * np.array(nodes)), np.array(nodes), 0.0, reference)  # fmt: skip


def test_profiles_are_brought_to_one_speed():
    layers = [[1.0, 2.0], [0.5, 1.5], [0.2, 0.1]]
    found, speed = at_one_speed([made_up(ms, [1.0, 1.0], at) for ms, at in zip(layers, (5.0, 7.5, 4.0), strict=True)])
    assert (speed.dense_ms, speed.slowest, speed.fastest) == (5.0, 1.5, 0.8)
    np.testing.assert_allclose([p.layers_ms for p in found], layers)
    np.testing.assert_allclose([p.total_ms for p in found], np.sum(layers, 1))


def test_the_most_disturbed_are_measured_again():
    spreads = (0.02, 0.3, 0.11, 0.02, 0.5, 0.02, 0.02, 0.02)
    profiles = [Profile(1.0, spread, np.ones(1), np.ones(1), 0.0, 5.0) for spread in spreads]
    assert disturbed(profiles) == [4, 1]
    assert disturbed([profiles[0]] * 8) == []


def test_the_profilers_own_time_is_taken_off():
    random = np.random.default_rng(0)
    layers = [list(0.01 + scale * random.random(6)) for scale in (1.0, 0.3, 0.1, 0.03, 0.01)]
    nodes = random.integers(1, 4, (5, 6)).astype(float)
    profiles = [made_up(ms, n, 5.0, profiler=0.0023) for ms, n in zip(layers, nodes, strict=True)]
    found, overhead = without_profiler(profiles)
    assert overhead == pytest.approx(0.0023)
    np.testing.assert_allclose([p.layers_ms for p in found], layers)
    assert profiles[-1].layers_ms.sum() > 1.2 * found[-1].layers_ms.sum()


def test_what_is_left_sums_to_the_network():
    profiles = [Profile(total, 0.01, np.array([1.0, 0.5]), np.array([2.0, 1.0]), 0.1, 5.0) for total in (1.2, 2.0, 1.6)]
    for before, after in zip(profiles, without_profiler(profiles)[0], strict=True):
        assert after.layers_ms.sum() + after.rest_ms == pytest.approx(before.total_ms)
        assert (after.layers_ms > 0).all()
