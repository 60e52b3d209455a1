"""Reduce and reuse: the map to the channels that stay, and the schedule that goes layer after layer."""

import logging
from types import SimpleNamespace

import pytest
import torch
from networks import Depthwise, Plain, randomise_norms
from schedule.problem import accuracy, batches, trained

import easiedge
from easiedge.errors import EasiEdgeError
from easiedge.model.filter_groups import find_groups
from easiedge.model.gates import masked
from easiedge.schedule.outcome import Task
from easiedge.schedule.reduce_and_reuse import ReduceAndReuse
from easiedge.schedule.selection import Selection
from easiedge.surgery.reduced_channels import reused
from easiedge.unit import Budget, FilterMask


def half(groups):
    return FilterMask({g.name: torch.arange(g.size) % 2 == 0 for g in groups})


def test_channels_that_others_tell_are_made_up_for_exactly():
    net = Plain(a=6, b=8, hidden=10).eval()
    for module, bias in ((net.conv2, net.conv2.bias), (net.fc1, net.fc1.bias)):
        module.weight.data[1::2], bias.data[1::2] = 2.0 * module.weight.data[::2], 2.0 * bias.data[::2]
    x = torch.randn(64, 2, 8, 8)
    groups = [g for g in find_groups(net, x[:2]) if g.name != "conv1"]
    mask = half(groups)
    fitted = reused(net, groups, mask, [x[:40], x[40:]], ridge=1e-7)
    with masked(fitted, groups, mask):
        assert torch.allclose(fitted(x), net(x), rtol=1e-3, atol=1e-3)
    with masked(net, groups, mask):
        assert not torch.allclose(net(x), fitted(x), atol=0.05)


def test_the_map_equals_least_squares_by_hand():
    net, x = randomise_norms(Plain()).eval(), torch.randn(40, 2, 8, 8)
    groups = [g for g in find_groups(net, x[:2]) if g.name == "conv1"]
    mask = half(groups)
    fitted = reused(net, groups, mask, [x], ridge=1e-9)
    with torch.no_grad():
        read = torch.nn.functional.max_pool2d(net.bn1(net.conv1(x)).relu(), 2).transpose(0, 1).flatten(1).double()
    keep = mask.keep["conv1"]
    A = torch.linalg.lstsq(read[keep].T, read[~keep].T).solution  # [kept, gone]
    by_hand = net.conv2.weight[:, keep] + torch.einsum("kg,oghw->okhw", A.float(), net.conv2.weight[:, ~keep])
    assert torch.allclose(fitted.conv2.weight[:, keep], by_hand, rtol=1e-3, atol=1e-4)
    assert torch.equal(fitted.conv2.weight[:, ~keep], net.conv2.weight[:, ~keep]) and torch.equal(
        fitted.fc1.weight, net.fc1.weight
    )


def test_grouped_readers_stay_as_they_are():
    net, x = randomise_norms(Depthwise()).eval(), torch.randn(8, 2, 8, 8)
    groups = find_groups(net, x[:2])
    fitted = reused(net, groups, half(groups), [x])
    grouped = [n for n, m in net.named_modules() if getattr(m, "groups", 1) > 1]
    assert grouped and all(torch.equal(fitted.get_submodule(n).weight, net.get_submodule(n).weight) for n in grouped)


def task(network, share, trainings):
    groups = find_groups(network, batches(1, 1)[0][0][:2])
    chosen = Selection(criterion="channel_variance", scope="layerwise", compensation=None)

    def train(net, epochs, stage, keep_start):
        trainings.append((stage, epochs))
        return SimpleNamespace(seconds=3.0 * epochs)

    return Task(network, groups, Budget(filters_removed=share), chosen, batches(3, 1), train, accuracy, logging.info)


def test_layers_lose_their_share_one_after_the_other():
    network, trainings = trained(randomise_norms(Plain(a=8, b=8, hidden=12))), []
    given = task(network, 0.5, trainings)
    outcome = ReduceAndReuse(epochs=3)(given)
    assert outcome.mask.kept() == {"conv1": 4, "conv2": 4, "fc1": 6}
    assert trainings == [("after conv1", 1), ("after conv2", 1)]  # the third epoch is the closing fine-tuning's
    assert outcome.seconds["finetune"] == 6.0 and outcome.seconds["score"] > 0
    assert (outcome.compact.conv1.out_channels, outcome.compact.conv2.in_channels, outcome.compact.fc1.in_features) == (
        4,
        4,
        64,
    )
    x = batches(1, 3)[0][0]
    with masked(outcome.network, outcome.groups, outcome.within):
        assert torch.allclose(outcome.network.eval()(x), outcome.compact.eval()(x), atol=1e-4)
    left = easiedge.score(network, given.groups, given.calibration, "channel_variance").values["conv1"]
    assert sorted(left.topk(4).indices.tolist()) == outcome.mask.keep["conv1"].nonzero().flatten().tolist()


def test_reuse_keeps_more_than_removal_alone():
    network = trained(randomise_norms(Plain(a=8, b=8, hidden=12)))
    given = task(network, 0.6, [])
    outcome = ReduceAndReuse(epochs=0)(given)
    alone = easiedge.shrink(network, given.groups, outcome.mask, batches(1, 1)[0][0][:2])
    assert accuracy(outcome.compact) > accuracy(alone) + 0.02


@pytest.mark.parametrize("options", [{"epochs": -1}, {"epochs": 1.5}, {"ridge": 0.0}, {"ridge": float("nan")}])
def test_numbers_that_mean_nothing_are_refused(options):
    with pytest.raises(EasiEdgeError, match="reduce_and_reuse"):
        ReduceAndReuse(**options)
