"""When weights are cut: the three schedules on a small problem, with every criterion that moves or scores weights."""

import copy

import pytest
import torch
from networks import Plain, randomise_norms
from schedule.problem import accuracy, batches, trained
from torch import nn

from easiedge.model.filter_groups import find_groups
from easiedge.weights.cutting import Cutting
from easiedge.weights.layers import weight_layers
from easiedge.weights.masked_weights import masks_on
from easiedge.weights.schedules import SCHEDULES, WeightTask

LAYERS = ["conv1", "conv2", "fc1", "fc2"]


@pytest.fixture(scope="module")
def dense():
    torch.manual_seed(0)
    return trained(randomise_norms(Plain(a=8, b=8, hidden=16)))


def task(network, trainings, steps=1, epochs=1, layers=LAYERS, **how):
    def train(net, epochs, stage):
        trainings.append((stage, epochs, masks_on(net).share_removed()))
        trained(net, epochs)

    groups = find_groups(network, batches(1, 1)[0][0][:2])
    return WeightTask(network, layers, Cutting(**how), batches(2, 1), groups, train, epochs, steps)


def zeros(network, layers=LAYERS):
    weights = [m.weight for m in weight_layers(network, layers).values()]
    return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)


def test_direct_cuts_the_dense_network_anew_for_every_ratio(dense):
    before, trainings = copy.deepcopy(dense.state_dict()), []
    first, second = SCHEDULES["direct"](task(dense, trainings), [0.5, 0.8])
    assert [t[:2] for t in trainings] == [("direct 0.50", 1), ("direct 0.80", 1)]
    assert all(torch.equal(v, before[n]) for n, v in dense.state_dict().items())
    for found in (first, second):
        assert zeros(found.network) == pytest.approx(found.ratio, abs=1e-3) and zeros(found.cut) == zeros(found.network)
        assert not masks_on(found.network).keep and accuracy(found.network) > 0.8
    weight, keep = dense.conv2.weight, second.mask.keep["conv2"]
    assert torch.equal(second.cut.conv2.weight, weight * keep)


def test_iterative_goes_on_from_ratio_to_ratio_in_steps(dense):
    trainings = []
    found = list(SCHEDULES["iterative"](task(dense, trainings, steps=2), [0.4, 0.8]))
    assert [round(t[2], 2) for t in trainings] == [0.2, 0.4, 0.6, 0.8]
    assert [f.ratio for f in found] == [0.4, 0.8]
    assert all(bool((found[1].mask.keep[n] <= k).all()) for n, k in found[0].mask.keep.items())
    assert not torch.equal(
        found[1].cut.fc1.weight[found[1].mask.keep["fc1"]], dense.fc1.weight[found[1].mask.keep["fc1"]]
    )


@pytest.mark.parametrize(
    "how",
    [{"criterion": "channel_activity"}, {"criterion": "optimal_brain_surgeon", "options": {"block": 8}}, {"criterion": "optimal_brain_damage"}],
)  # fmt: skip
def test_layer_by_layer_in_forward_order(dense, how):
    trainings = []
    (found,) = SCHEDULES["layer_by_layer"](task(dense, trainings, **how), [0.6])
    assert [t[0] for t in trainings] == [f"{layer} 0.60" for layer in LAYERS]
    for layer, keep in found.mask.keep.items():
        assert float((~keep).float().mean()) == pytest.approx(0.6, abs=0.05)
        assert torch.equal(found.network.get_submodule(layer).weight[~keep], torch.zeros(int((~keep).sum())))
    assert accuracy(found.network) > 0.7


def test_layers_that_run_in_another_order_than_they_are_defined_are_cut_as_they_run(dense):
    class Backwards(Plain):
        def __init__(self):
            super().__init__(a=8, b=8, hidden=16)
            for name in ("fc1", "conv2", "conv1"):  # fc2 comes first now
                self.add_module(name, self._modules.pop(name))

    network, trainings = randomise_norms(Backwards()), []
    layers = list(weight_layers(network))
    assert layers == ["fc2", "fc1", "conv2", "conv1"]
    list(SCHEDULES["layer_by_layer"](task(network, trainings, layers=layers, epochs=1), [0.5]))
    assert [t[0] for t in trainings] == [f"{layer} 0.50" for layer in LAYERS]


def test_the_surgeon_in_turns_moves_weights_and_keeps_zeros(dense):
    trainings = []
    made = task(
        dense, trainings, epochs=0, criterion="optimal_brain_surgeon", layers=["fc2", "conv1"], scope="layerwise"
    )
    first, second = SCHEDULES["iterative"](made, [0.3, 0.6])
    assert not trainings
    for name in ("conv1", "fc2"):
        a, b = first.mask.keep[name], second.mask.keep[name]
        assert bool((b <= a).all()) and float((~b).float().mean()) == pytest.approx(0.6, abs=0.05)
        assert torch.equal(second.network.get_submodule(name).weight != 0, b)
        assert not torch.equal(second.network.get_submodule(name).weight[b], dense.get_submodule(name).weight[b])
    assert torch.equal(second.network.fc1.weight, dense.fc1.weight)


def test_channels_in_turns_leave_units_that_nobody_reads(dense):
    from easiedge.weights.dead_units import without_dead_units

    (found,) = SCHEDULES["direct"](task(dense, [], level="channel"), [0.5])
    x = batches(1, 2)[0][0]
    compact, _ = without_dead_units(found.network, find_groups(found.network, x[:2]), x)
    size = lambda net: sum(p.numel() for p in net.parameters())
    assert size(compact) <= 0.5 * size(dense) and isinstance(compact, nn.Module)
    assert torch.allclose(compact.eval()(x), found.network.eval()(x), atol=1e-4)
