"""The latency of a network by units kept, against the made-up device that it was fitted on."""

import numpy as np
import pytest
from device import made_up_table, true_ms
from networks import images, network, random_mask

from easiedge.deploy.latency.widths import layer_widths
from easiedge.model.filter_groups import find_groups


@pytest.fixture(scope="module", params=["Plain", "Residual", "Depthwise"])
def case(request):
    model, x = network(request.param), images()
    groups = find_groups(model, x)
    return made_up_table(model, groups, x).network(model, groups, x), layer_widths(model, groups, x), groups


def test_it_predicts_networks_it_has_not_seen(case):
    latency, widths, groups = case
    for seed in range(5):
        mask = random_mask(groups, 0.4, seed=seed)
        n = np.array([mask.kept()[g] for g in latency.names], dtype=float)
        truth = 0.5 + 1.25 * true_ms(*widths.at(n)).sum()
        assert latency.ms(mask.kept()) == pytest.approx(truth, rel=0.1)
        assert latency.ms(n) == latency.ms(mask.kept())


def test_marginal_is_the_difference_of_two_totals(case):
    latency, widths, _ = case
    n, random = widths.sizes, np.random.default_rng(0)
    for _ in range(4):
        steps = np.floor(random.random(len(n)) * n)
        wanted = [latency.ms(n) - latency.ms(n - steps * (np.arange(len(n)) == g)) for g in range(len(n))]
        np.testing.assert_allclose(latency.marginal(n, steps), wanted, atol=1e-12)
        n = np.maximum(n - 1, 1)
    np.testing.assert_allclose(latency.marginal(n), latency.marginal(n, np.ones(len(n))))


def test_many_networks_at_once(case):
    latency, widths, _ = case
    n = np.stack([widths.sizes, np.ones(len(widths.sizes))])
    np.testing.assert_allclose(latency.total(n), [latency.ms(n[0]), latency.ms(n[1])])
    assert latency.ms(n[1]) < latency.ms(n[0])
    parts = latency.layers_ms(n).sum(-1) + latency.streaming_ms(n) + latency.overhead_ms
    np.testing.assert_allclose(parts, latency.total(n))
