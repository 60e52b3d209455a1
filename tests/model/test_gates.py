"""Gates: one does nothing, zero removes, and hooks are gone afterwards."""

import pytest
import torch
from networks import NETWORKS, images, network, random_mask

from easiedge.errors import EasiEdgeError
from easiedge.model.filter_groups import find_groups
from easiedge.model.gates import gated, masked
from easiedge.unit import FilterMask


@pytest.mark.parametrize("name", NETWORKS)
def test_open_gates_change_nothing_and_closed_gates_leave_no_trace(name):
    model, x = network(name), images()
    groups = find_groups(model, x)
    before = model(x)
    with masked(model, groups, FilterMask.full(groups)):
        assert torch.equal(model(x), before)
    with masked(model, groups, random_mask(groups, 0.5)):
        assert not torch.equal(model(x), before)
    assert torch.equal(model(x), before)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_closed_gate_hides_every_parameter_of_its_unit(name):
    """Whatever the removed unit's own parameters are, the masked output does not change: the gates are complete."""
    model, x = network(name), images()
    groups = find_groups(model, x)
    mask = random_mask(groups, 0.5)
    with masked(model, groups, mask):
        before = model(x)
        with torch.no_grad():
            for g in groups:
                for member in g.members:
                    if member.axis == "out":
                        for p in model.get_submodule(member.layer).parameters():
                            p[member.index[~mask.keep[g.name]].flatten()] = 7.0
        assert torch.equal(model(x), before)


def test_gates_are_per_image():
    model, x = network("Plain"), images(2)
    groups = find_groups(model, x)
    units = sum(g.size for g in groups)
    gates = torch.ones(2, units)
    gates[1, 3] = 0
    with gated(model, groups, gates):
        mixed = model(x)
    mask = FilterMask.full(groups)
    mask.keep["conv1"][3] = False
    with masked(model, groups, mask):
        closed = model(x)
    assert torch.allclose(mixed[0], model(x)[0]) and torch.allclose(mixed[1], closed[1])


def test_a_mask_that_does_not_fit_is_refused():
    model, x = network("Plain"), images()
    groups = find_groups(model, x)
    for keep, what in (
        ({"nowhere": torch.ones(3, dtype=torch.bool)}, "nowhere"),
        ({"conv1": torch.ones(3, dtype=torch.bool)}, "shape"),
        ({"conv1": torch.zeros(6, dtype=torch.bool)}, "removes all"),
    ):
        with pytest.raises(EasiEdgeError, match=what), masked(model, groups, FilterMask(keep)):
            pass
