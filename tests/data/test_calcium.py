"""The simulator of calcium activity: its statistics are those that it claims, its parts are cut in time."""

import numpy as np
import pytest
import torch

from easiedge.data.calcium import Calcium, _fluorescence, _states
from easiedge.errors import DataError


def ready(**options):
    data = Calcium(**options)
    data.setup()
    return data


def test_states_stay_and_share_time_as_asked():
    states = _states(np.random.default_rng(0), 200_000, 25.0, 0.4)
    assert states.mean() == pytest.approx(0.4, abs=0.02)
    starts = np.flatnonzero(np.diff(states, prepend=1 - states[0]))
    stays = np.diff(starts, append=len(states))
    assert stays[states[starts] == 0].mean() == pytest.approx(25.0, rel=0.05)


def test_calcium_decays_and_spikes_raise_it():
    states = np.zeros(100_000, dtype=np.int8)
    f = _fluorescence(np.random.default_rng(1), states, 3, 1.0, 0.8, 0.0)
    innovations = f[1:] - 0.8 * f[:-1]  # the spikes of each frame
    np.testing.assert_allclose(innovations, innovations.round(), atol=1e-6)
    assert innovations.min() > -1e-6
    np.testing.assert_allclose(innovations.mean(0), innovations.var(0), rtol=0.05)  # Poisson


def test_parts_are_one_after_the_other_and_depend_on_the_split_seed():
    data, again, other = ready(), ready(seed=3), ready(split_seed=1)
    assert [len(p) for p in (data.train, data.val, data.test)] == [1800, 600, 600]
    assert torch.equal(data.val.pixels, again.val.pixels) and not torch.equal(data.val.pixels, other.val.pixels)
    assert data.class_names == ["rest", "active"] and data.input_shape == (1, 1, 40)
    longer = torch.cat([data.train.labels, data.val.labels, data.test.labels])
    assert float((longer[1:] != longer[:-1]).float().mean()) < 0.1  # neighbours in time


def test_frames_are_images_of_the_same_activity():
    data = ready(frames=True, image_size=10)
    assert data.input_shape == (1, 10, 10) and torch.equal(data.train.labels, ready().train.labels)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"active": 0.0}, "class 'active'"),
        ({"active": 1.0}, "class 'rest'"),
        ({"length": 20, "stay": 1000.0}, "no frame of the class"),
    ],
)
def test_an_empty_class_is_named(options, says):
    with pytest.raises(DataError, match=says):
        ready(**options)


@pytest.mark.parametrize("options", [{"active": 1.5}, {"decay": 1.0}, {"neurons": 0}, {"stay": 0.5}, {"noise": -1.0}])
def test_values_that_make_no_sense(options):
    with pytest.raises(DataError, match="must be"):
        Calcium(**options)
