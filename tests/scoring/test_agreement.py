"""Agreement figures against scipy and by hand; intervals that cover what they promise."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from easiedge.errors import EasiEdgeError
from easiedge.scoring.agreement import agreement, kendall, overlap, paired_difference, spearman


def pair(n=40, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    truth = rng.random(n)
    score = truth + 0.3 * rng.standard_normal(n)
    return (np.round(score, 1), np.round(truth, 1)) if ties else (score, truth)


@pytest.mark.parametrize("ties", [False, True])
def test_correlations_equal_scipy(ties):
    score, truth = pair(ties=ties)
    assert spearman(score, truth) == pytest.approx(spearmanr(score, truth).statistic)
    assert kendall(score, truth) == pytest.approx(kendalltau(score, truth).statistic)


def test_overlap_by_hand():
    truth, score = np.arange(10.0), np.array([9, 1, 0, 3, 2, 5, 4, 7, 6, 8.0])
    assert overlap(score, truth, 0.2) == 0.5  # the truth's lowest: 0, 1; the score's lowest: 2, 1
    assert overlap(score, truth, 0.5) == 0.8  # 1, 2, 3, 4 of 0..4
    assert overlap(truth, truth, 0.3) == 1.0


def test_constant_scores_have_no_correlation():
    assert np.isnan(spearman(np.ones(5), np.arange(5.0))) and np.isnan(kendall(np.ones(5), np.arange(5.0)))
    assert np.isnan(spearman(np.arange(2.0), np.arange(2.0)))


def test_bootstrap_interval_equals_resampling_one_by_one():
    score, truth = pair(25)
    found = agreement(score, truth, draws=300, seed=4).spearman
    index = np.random.default_rng(4).integers(0, 25, (300, 25))
    low, high = np.quantile([spearmanr(score[i], truth[i]).statistic for i in index], [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.low < found.value < found.high


def test_intervals_cover_the_true_correlation():
    """Bivariate normal pairs with Spearman 6/pi asin(r/2): at least 85 of 100 nominal 95 % intervals hold it (p < 1e-4 otherwise)."""
    r, held = 0.7, 0
    true = 6 / np.pi * np.arcsin(r / 2)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        a = rng.standard_normal(80)
        b = r * a + np.sqrt(1 - r * r) * rng.standard_normal(80)
        found = agreement(a, b, draws=200, seed=seed).spearman
        held += found.low <= true <= found.high
    assert held >= 85


def test_paired_difference_against_resampling_images():
    rng = np.random.default_rng(0)
    a, b = rng.random(500) < 0.8, rng.random(500) < 0.7
    found = paired_difference(a, b, draws=4000)
    index = rng.integers(0, 500, (4000, 500))
    low, high = np.quantile(a[index].mean(1) - b[index].mean(1), [0.025, 0.975])
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert found.low == pytest.approx(low, abs=0.01) and found.high == pytest.approx(high, abs=0.01)


def test_lengths_that_differ_are_refused():
    with pytest.raises(EasiEdgeError, match="3 scores cannot be compared with 4"):
        agreement(np.ones(3), np.ones(4))
