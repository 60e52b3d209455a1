"""Weights that leave the cache: the law, its fit, and networks whose time depends on it."""

from dataclasses import replace

import numpy as np
import pytest
from networks import images, network

from easiedge.deploy.latency.fit import fit
from easiedge.deploy.latency.profile import Profile
from easiedge.deploy.latency.streaming import KNOTS, Streaming, fit_streaming
from easiedge.deploy.latency.table import LatencyTable, Quality
from easiedge.deploy.latency.widths import layer_widths, measured_widths
from easiedge.model.filter_groups import find_groups

CACHE = Streaming(tuple(0.1 * (k == 8) for k in KNOTS))  # 8 MB: between 8 and 16 a megabyte comes to cost 0.1 ms


def test_it_costs_nothing_within_the_cache_and_never_falls():
    megabytes = np.linspace(0, 300, 2000)
    ms = Streaming(tuple(0.01 * (k + 1) for k in range(len(KNOTS)))).ms(megabytes)
    assert ms[0] == 0 and (np.diff(ms) >= 0).all()
    assert CACHE.ms(np.array(8.0)) == 0
    assert CACHE.ms(np.array(12.0)) == pytest.approx(12 * 0.05)
    assert CACHE.ms(np.array(40.0)) == pytest.approx(40 * 0.1)
    assert CACHE.scaled(3.0).ms(np.array(40.0)) == pytest.approx(12.0)


def test_it_is_found_in_layers_times():
    random = np.random.default_rng(0)
    megabytes = random.random((40, 6)) * 8 * np.geomspace(0.1, 1, 40)[:, None]
    surfaces = 0.02 + random.random((40, 6))
    truth = 1.1 * surfaces + megabytes * CACHE.slowness(megabytes.sum(1))[:, None]
    noisy = truth * np.exp(0.05 * random.standard_normal(truth.shape))
    found = fit_streaming(megabytes, noisy, surfaces)
    at = np.array([4.0, 12.0, 30.0])
    np.testing.assert_allclose(found.ms(at), CACHE.ms(at), rtol=0.1, atol=0.05)


@pytest.fixture(scope="module")
def case():
    """A network with a made-up cache that its widths cross, its groups, and its widths with megabytes to match."""
    model, x = network("Residual"), images()
    groups = find_groups(model, x)
    widths = layer_widths(model, groups, x)
    dense = widths.megabytes(*widths.at(widths.sizes)).sum()
    return model, x, groups, replace(widths, mb_per_pair=widths.mb_per_pair * 24 / dense)


def made_up_ms(widths, n):
    inputs, outputs = widths.at(n)
    weights = widths.megabytes(inputs, outputs)
    return 0.02 + 0.02 * inputs * outputs + weights * CACHE.slowness(weights.sum(-1))[..., None]


def test_megabytes_are_those_of_the_weights(case):
    model, x, groups, _ = case
    widths = layer_widths(model, groups, x)
    found = widths.megabytes(*widths.at(widths.sizes))
    weights = dict(model.named_modules())
    np.testing.assert_allclose(found, [4e-6 * weights[name].weight.numel() for name in widths.layers])
    grouped, y = network("Grouped"), images()
    widths = layer_widths(grouped, find_groups(grouped, y), y)
    modules = dict(grouped.named_modules())
    np.testing.assert_allclose(
        widths.megabytes(*widths.at(widths.sizes)), [4e-6 * modules[name].weight.numel() for name in widths.layers]
    )


@pytest.fixture(scope="module")
def latency(case):
    widths = case[3]
    kept = measured_widths(widths.sizes, 64)
    layers = made_up_ms(widths, kept.astype(float))
    profiles = [Profile(ms.sum(), 0.01, ms, np.ones(len(ms)), 0.0, 1.0) for ms in layers]
    found = fit(widths, kept, profiles)
    dense = np.stack(widths.at(widths.sizes), 1).astype(np.int64)
    table = LatencyTable(
        None, (1, 2, 8, 8), widths.layers, widths.kinds, dense, found.surfaces, found.overhead, found.factor,
        Quality(64, 30, 5, 0.01, 1.0, 0.0, 0.0), found.streaming,
    )  # fmt: skip
    return table.of(widths)


def test_networks_with_a_cache_are_predicted(case, latency):
    widths = case[3]
    unseen = measured_widths(widths.sizes, 30, seed=7).astype(float)
    truth = made_up_ms(widths, unseen).sum(-1)
    off = np.abs(latency.total(unseen) / truth - 1)
    assert np.median(off) < 0.03 and off.max() < 0.15
    assert latency.streaming_ms(widths.sizes) > 0.2 * latency.ms(widths.sizes)
    parts = latency.overhead_ms + latency.layers_ms(unseen).sum(-1) + latency.streaming_ms(unseen)
    np.testing.assert_allclose(parts, latency.total(unseen))


def test_marginal_and_along_see_the_whole_networks_weights(latency):
    n = latency.widths.sizes
    for g in range(len(n)):
        one = np.arange(len(n)) == g
        steps = np.floor(n / 3)
        assert latency.marginal(n, steps)[g] == pytest.approx(latency.ms(n) - latency.ms(n - steps * one))
        widths = np.array([1.0, steps[g], n[g]])
        totals = latency.total(np.where(one, widths[:, None], n))
        along = latency.along(n, g, widths)
        np.testing.assert_allclose(along - along[-1], totals - totals[-1], atol=1e-12)
