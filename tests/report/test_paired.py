"""Intervals and tests against their definitions, by enumeration and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from easiedge.report.paired import holm, paired, spread


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        found = spread(rng.normal(3.0, 2.0, size=5), confidence=0.9)
        inside += found.low <= 3.0 <= found.high
    assert abs(inside / 2000 - 0.9) < 0.025


def test_pairing_is_by_seed_and_only_over_shared_seeds():
    found = paired({0: 0.9, 1: 0.8, 2: 0.7, 7: 0.0}, {2: 0.5, 1: 0.7, 0: 0.6, 9: 1.0})
    assert found.seeds == (0, 1, 2)
    assert found.spread.mean == pytest.approx(0.2)
    t = stats.ttest_rel([0.9, 0.8, 0.7], [0.6, 0.7, 0.5])
    assert found.t_p == pytest.approx(t.pvalue)
    interval = t.confidence_interval(0.95)
    assert (found.spread.low, found.spread.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    "differences", [(1, 2, 3, 4, -5), (1, 1, 2, 2, -1, 3), (0, 1, -2, 3, 3), (5, 5, 5, 5, -5, 1, 2)]
)
def test_wilcoxon_is_the_share_of_sign_patterns_at_least_as_far(differences):
    found = paired(dict(enumerate(differences)), dict.fromkeys(range(len(differences)), 0.0)).wilcoxon_p
    left = [d for d in differences if d]
    ranks = stats.rankdata(np.abs(left))
    centre = ranks.sum() / 2
    observed = abs(sum(r for r, d in zip(ranks, left, strict=True) if d > 0) - centre)
    patterns = [
        abs(sum(itertools.compress(ranks, signs)) - centre) for signs in itertools.product((0, 1), repeat=len(left))
    ]
    assert found == pytest.approx(np.mean([p >= observed - 1e-9 for p in patterns]))


def test_five_agreeing_seeds_are_never_below_a_sixteenth():
    found = paired({s: 0.1 * (s + 1) for s in range(5)}, dict.fromkeys(range(5), 0.0))
    assert found.wilcoxon_p == pytest.approx(2 / 32)


def test_a_single_seed_has_no_interval_and_says_why():
    found = paired({0: 0.9}, {0: 0.8})
    assert found.spread.mean == pytest.approx(0.1)
    assert (found.spread.low, found.t_p, found.wilcoxon_p) == (None, None, None)
    assert "one seed" in found.why_not
    nothing = paired({0: 0.9}, {1: 0.8})
    assert math.isnan(nothing.spread.mean)
    assert nothing.why_not == "no seed is in both"


def test_equal_for_every_seed_is_not_a_test():
    found = paired(dict.fromkeys(range(4), 0.5), dict.fromkeys(range(4), 0.5))
    assert (found.t_p, found.wilcoxon_p) == (None, None)
    assert "equal" in found.why_not
    shifted = paired(dict.fromkeys(range(4), 0.3), dict.fromkeys(range(4), 0.1))
    assert (shifted.t_p, shifted.spread.low, shifted.spread.high, shifted.spread.deviation) == (None, None, None, 0.0)
    assert shifted.wilcoxon_p == pytest.approx(2 / 16)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        spread([0.1, math.nan])
    with pytest.raises(ValueError, match="confidence"):
        spread([0.1, 0.2], confidence=1.0)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8))
def test_holm_rejects_what_stepping_down_rejects(p_values):
    corrected = holm(p_values)
    known = sorted(p for p in p_values if p is not None)
    for level in (0.01, 0.05, 0.2):
        rejected = 0  # by definition: step down until the first that is not small enough
        while rejected < len(known) and known[rejected] * (len(p_values) - rejected) <= level:
            rejected += 1
        assert sum(p is not None and p <= level for p in corrected) == rejected
    assert [p is None for p in corrected] == [p is None for p in p_values]
