"""The fitted model of a kind of layer: it finds steps, stays monotone within them, and predicts what it has not seen."""

import numpy as np
import pytest

from easiedge.deploy.latency.family import family_coefficients
from easiedge.deploy.latency.form_choice import best_form
from easiedge.deploy.latency.surface import Form, Samples, Surface

STEPPED = Form((4, 4), (1, 1, 1, 1, 1, 1, 1, 1, 16))


def fitted(measured):
    """The surfaces of kinds of one family."""
    form = best_form(measured)
    return {kind: Surface(kind, form, c, measured[kind]) for kind, c in family_coefficients(measured, form).items()}


def drawn(true, count=96, noise=0.0, seed=0):
    random = np.random.default_rng(seed)
    inputs, outputs = random.integers(1, 129, (2, count)).astype(float)
    for widths in (inputs, outputs):
        aligned = random.random(count) < 0.5
        widths[aligned] = np.ceil(widths[aligned] / 16) * 16
    ms = true(inputs, outputs) * np.exp(noise * random.standard_normal(count))
    return Samples(np.arange(count), inputs, outputs, ms)


def blocks(inputs, outputs):
    """A road for inputs in multiples of 4, in blocks of 16, beside one that is slower and has no steps."""
    fast = 0.01 + 1e-4 * np.ceil(inputs / 16) * np.ceil(outputs / 16)
    slow = 0.02 + 1e-6 * inputs * outputs + 1e-4 * inputs
    return np.where((inputs % 4 == 0) & (outputs % 4 == 0), fast, slow)


def test_it_finds_alignment_and_steps():
    (surface,) = fitted({"conv 3x3/1 on 8x8": drawn(blocks)}).values()
    assert surface.form == STEPPED
    new = drawn(blocks, seed=1)
    np.testing.assert_allclose(surface.ms(new.inputs, new.outputs), new.ms, rtol=1e-3)
    assert surface.ms(64.0, 64.0) < surface.ms(63.0, 64.0)  # one channel less takes longer


def test_without_steps_the_plain_form_is_taken_in_spite_of_noise():
    (surface,) = fitted({"linear": drawn(lambda i, o: 0.01 + 1e-5 * i * o, noise=0.03)}).values()
    assert surface.form == Form((1, 1), (1,) * 9)


def test_noise_is_averaged_out():
    (surface,) = fitted({"conv 3x3/1 on 8x8": drawn(blocks, noise=0.05)}).values()
    new = drawn(blocks, seed=1)
    assert np.median(np.abs(surface.ms(new.inputs, new.outputs) / new.ms - 1)) < 0.03


def test_it_is_monotone_within_a_case():
    samples = drawn(blocks, noise=0.3)
    surface = Surface("conv", STEPPED, family_coefficients({"conv": samples}, STEPPED)["conv"], samples)
    every = np.arange(1.0, 129.0)
    ms = surface.ms(every[:, None], every[None])
    for case_in in (every % 4 == 0, every % 4 != 0):
        for case_out in (every % 4 == 0, every % 4 != 0):
            part = ms[case_in][:, case_out]
            assert (np.diff(part, axis=0) >= -1e-15).all() and (np.diff(part, axis=1) >= -1e-15).all()
    assert (ms > 0).all()


def test_a_case_that_was_never_measured_follows_the_others():
    samples = drawn(lambda i, o: 0.01 + 1e-5 * i * o)
    aligned = (samples.inputs % 4 == 0) & (samples.outputs % 4 == 0)
    only = Samples(*(part[aligned] for part in (samples.network, samples.inputs, samples.outputs, samples.ms)))
    form = Form((4, 4), (1,) * 9)
    found = Surface("conv", form, family_coefficients({"conv": only}, form)["conv"], only)
    assert found.ms(63.0, 33.0) == pytest.approx(0.01 + 1e-5 * 63 * 33)


def test_layers_of_one_family_share_their_steps():
    found = fitted(
        {"conv 3x3/1 on 8x8, relu": drawn(blocks), "conv 3x3/1 on 4x4": drawn(blocks, count=24, noise=0.1, seed=3)}
    )
    assert {surface.form for surface in found.values()} == {STEPPED}
