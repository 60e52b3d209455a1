"""Kinds of layers that learn from their family."""

import numpy as np
import pytest

from easiedge.deploy.latency.family import family, family_coefficients, positions
from easiedge.deploy.latency.surface import Form, Samples, Surface

PLAIN = Form((4, 16), (1,) * 9)


def drawn(size, count, level=1.0, noise=0.0, seed=0):
    random = np.random.default_rng(seed)
    inputs, outputs = random.integers(1, 129, (2, count)).astype(float)
    ms = truth(inputs, outputs, size, level) * np.exp(noise * random.standard_normal(count))
    return Samples(np.arange(count), inputs, outputs, ms)


def truth(inputs, outputs, size, level=1.0):
    slow = np.where((inputs % 4 == 0) & (outputs % 4 == 0), 1.0, 1.6)
    return level * slow * (0.004 + size * (1e-6 * inputs + 1e-7 * inputs * outputs))


def test_kinds_tell_their_family_and_size():
    assert (
        family("conv 3x3/1 on 16x8, relu, maxpool2d") == "conv 3x3/1" and positions("conv 3x3/1 on 16x8, relu") == 128
    )
    assert family("linear, relu") == "linear" and positions("linear, relu") == 1
    assert positions("linear on 197, gelu") == 197


def test_a_kind_that_was_measured_a_few_times_learns_from_the_others():
    many = {f"conv 3x3/1 on {size}x{size}": drawn(size * size, 60, seed=size, noise=0.02) for size in (8, 16, 32)}
    few = drawn(4 * 4, 5, seed=1, noise=0.02)
    small = "conv 3x3/1 on 4x4"
    found = family_coefficients({**many, small: few}, PLAIN)[small]
    alone = family_coefficients({small: few}, PLAIN)[small]
    new = drawn(4 * 4, 200, seed=9)
    with_family, by_itself = (
        np.abs(Surface(small, PLAIN, c, few).ms(new.inputs, new.outputs) / new.ms - 1) for c in (found, alone)
    )
    assert np.median(with_family) < 0.08 and with_family.mean() < 0.6 * by_itself.mean()


def test_a_kind_keeps_its_own_level():
    kinds = {f"conv 3x3/1 on {size}x{size}": drawn(size * size, 60, seed=size) for size in (8, 16, 32)}
    slower = drawn(16 * 16, 60, level=1.5, seed=4)
    found = family_coefficients({**kinds, "conv 3x3/1 on 16x16, add": slower}, PLAIN)["conv 3x3/1 on 16x16, add"]
    new = drawn(16 * 16, 100, level=1.5, seed=5)
    said = Surface("", PLAIN, found, slower).ms(new.inputs, new.outputs)
    assert np.median(said / new.ms) == pytest.approx(1.0, abs=0.03)


def test_coefficients_are_from_zero():
    found = family_coefficients({"linear": drawn(1, 30, noise=0.4)}, PLAIN)["linear"]
    assert found.shape == (9, 4) and (found >= 0).all() and (found.sum(1) > 0).all()
