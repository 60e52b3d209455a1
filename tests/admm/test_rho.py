"""Policies for rho, and when to stop."""

from __future__ import annotations

import pytest

from easiedge.admm import ConstantRho, IncreasingRho, ResidualBalancing, Stopping
from easiedge.errors import TrainingError


def test_constant() -> None:
    assert ConstantRho()(0.3, 5.0, 0.1) == 0.3


def test_increasing_stops_at_the_maximum_and_never_falls() -> None:
    policy = IncreasingRho(factor=3.0, maximum=2.0)
    assert policy(0.5, 1, 1) == 1.5
    assert policy(1.5, 1, 1) == 2.0
    assert policy(5.0, 1, 1) == 5.0


def test_residual_balancing_follows_the_larger_residual() -> None:
    policy = ResidualBalancing(mu=10.0, tau=2.0, minimum=0.1, maximum=1.0)
    assert policy(0.4, 1.0, 0.05) == 0.8
    assert policy(0.4, 0.05, 1.0) == 0.2
    assert policy(0.4, 1.0, 0.5) == 0.4
    assert policy(0.8, 1.0, 0.0) == 1.0
    assert policy(0.15, 0.0, 1.0) == 0.1
    assert policy(0.4, 0.0, 0.0) == 0.4
    assert policy(5.0, 1.0, 0.0) == 5.0


@pytest.mark.parametrize(
    "make", [lambda: IncreasingRho(factor=0.5), lambda: ResidualBalancing(mu=1.0), lambda: Stopping(unchanged=0)]
)
def test_senseless_options_are_refused(make) -> None:
    with pytest.raises(TrainingError):
        make()


def _record(flipped: float, primal: float) -> dict[str, float | None]:
    return {"flipped": flipped, "primal_residual": primal}


def test_stops_when_settled_and_in_agreement() -> None:
    rule = Stopping(unchanged=2, tolerance=0.01)
    assert rule.reason([]) is None
    assert rule.reason([_record(0.0, 0.001)]) is None
    assert rule.reason([_record(0.2, 0.001), _record(0.0, 0.001)]) is None
    assert rule.reason([_record(0.0, 0.5), _record(0.0, 0.02)]) is None
    assert "2 iterations" in str(rule.reason([_record(0.0, 0.5), _record(0.0, 0.01)]))


def test_stops_at_the_limit() -> None:
    rule = Stopping(max_iterations=2)
    assert rule.reason([_record(0.5, 1.0)]) is None
    assert "limit of 2" in str(rule.reason([_record(0.5, 1.0)] * 2))


def test_stops_as_soon_as_few_gates_flip() -> None:
    rule = Stopping(unchanged=1, tolerance=None, flipped=0.01)
    assert rule.reason([_record(0.02, 0.0)]) is None
    assert "at most 1.00% for 1 iteration" in str(rule.reason([_record(0.02, 0.9), _record(0.01, 0.9)]))


@pytest.mark.parametrize("wrong", [{"flipped": 1.0}, {"flipped": -0.1}, {"flipped": None}, {"tolerance": -1.0}])
def test_a_rule_that_means_nothing_is_refused(wrong) -> None:
    with pytest.raises(TrainingError, match="stopping has"):
        Stopping(**wrong)
