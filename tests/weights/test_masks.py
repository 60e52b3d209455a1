"""Masks on weights: choice, training under them, zeros in the end."""

import copy
import math

import pytest
import torch
from networks import Depthwise, Plain
from torch import nn
from training.tiny import loader, network

from easiedge.errors import EasiEdgeError, ModelError
from easiedge.training.fit import fit
from easiedge.training.recipe import Recipe
from easiedge.weights.choice import lowest_removed
from easiedge.weights.layers import weight_layers
from easiedge.weights.magnitude import weight_magnitude
from easiedge.weights.masked_weights import make_permanent, mask_weights, masks_on, weights_masked
from easiedge.weights.weight_mask import WeightMask


def half(net, scope="global"):
    return WeightMask(lowest_removed(weight_magnitude(weight_layers(net)), 0.5, scope))


def test_layers_are_convolutions_and_linear_layers_by_pattern():
    net = Plain()
    assert list(weight_layers(net)) == ["conv1", "conv2", "fc1", "fc2"]
    assert list(weight_layers(net, ["conv*"], ["conv2"])) == ["conv1"]
    with pytest.raises(ModelError, match=r"bn1.*BatchNorm2d.*no weight matrix.*conv1, conv2"):
        weight_layers(net, ["bn1"])
    with pytest.raises(ModelError, match="exclude fewer"):
        weight_layers(net, ["*"], ["*"])


def test_a_shared_weight_is_no_layer_of_its_own():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    assert list(weight_layers(net)) == ["2"]


def test_global_and_layerwise_choices_equal_sorting():
    net = Plain()
    layers = weight_layers(net)
    every = torch.cat([m.weight.detach().abs().flatten() for m in layers.values()])
    threshold = every.sort().values[math.ceil(0.6 * len(every)) - 1]
    found = WeightMask(lowest_removed(weight_magnitude(layers), 0.6))
    assert all(torch.equal(found.keep[n], m.weight.abs() > threshold) for n, m in layers.items())
    each = WeightMask(lowest_removed(weight_magnitude(layers), 0.6, "layerwise"))
    for name, module in layers.items():
        n = module.weight.numel()
        assert n - each.kept()[name] == math.ceil(0.6 * n) and found.share_removed() == pytest.approx(
            0.6, abs=2 / len(every)
        )
        assert module.weight.abs()[each.keep[name]].min() >= module.weight.abs()[~each.keep[name]].max()


def test_larger_structures_count_by_their_weights_and_every_layer_keeps_one():
    scores = {"a": torch.tensor([1.0, 5.0]), "b": torch.tensor([[2.0, 3.0], [4.0, 6.0]])}
    kept = lowest_removed(scores, 0.5, sizes={"a": 1, "b": 9})
    assert kept["a"].tolist() == [False, True] and kept["b"].tolist() == [[False, False], [True, True]]
    most = lowest_removed(scores, 0.999, sizes={"a": 1, "b": 9})
    assert most["a"].tolist() == [False, True] and most["b"].tolist() == [[False, False], [False, True]]
    assert all(bool(k.all()) for k in lowest_removed(scores, 0.0).values())


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 1.5, float("nan"), True, "half"])
def test_a_ratio_outside_is_refused(ratio):
    with pytest.raises(EasiEdgeError, match=r"outside \[0, 1\)"):
        lowest_removed({"a": torch.ones(3)}, ratio)


def test_scores_and_scopes_that_cannot_be_are_refused():
    with pytest.raises(EasiEdgeError, match="'a' are not finite"):
        lowest_removed({"a": torch.tensor([1.0, float("nan")])}, 0.5)
    with pytest.raises(EasiEdgeError, match="global, layerwise"):
        lowest_removed({"a": torch.ones(3)}, 0.5, "both")


def test_training_respects_the_masks_and_they_end_as_zeros():
    net = network()
    mask = half(net)
    mask_weights(net, mask)
    assert all(torch.equal(masks_on(net).keep[n], k) for n, k in mask.keep.items())
    before = {n: m.weight.clone() for n, m in weight_layers(net).items()}
    fit(net, loader(), loader(shuffle=False), Recipe(epochs=2, lr=0.1), progress=False)
    make_permanent(net)
    assert not masks_on(net).keep and "weight" in dict(net[0].named_parameters())
    for name, module in weight_layers(net).items():
        assert torch.equal(module.weight[~mask.keep[name]], torch.zeros(int((~mask.keep[name]).sum())))
        assert not torch.equal(module.weight, before[name])
    copy.deepcopy(net)


@pytest.mark.parametrize(
    "make",
    [lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1, nesterov=True), lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1)],
)  # fmt: skip
def test_momentum_and_decay_move_the_weights_that_stay_as_if_the_others_were_not_there(make):
    torch.manual_seed(0)
    under, by_hand = Plain().eval(), Plain().eval()
    by_hand.load_state_dict(under.state_dict())
    mask, x = half(under), torch.randn(4, 2, 16, 16)
    mask_weights(under, mask)
    moved, pinned = make(under.parameters()), make(by_hand.parameters())
    layers = weight_layers(by_hand)
    for _ in range(4):
        for name, module in layers.items():
            module.weight.data *= mask.keep[name]
        for net, steps in ((under, moved), (by_hand, pinned)):
            steps.zero_grad()
            net(x).square().mean().backward()
        for name, module in layers.items():
            module.weight.grad *= mask.keep[name]
        moved.step()
        pinned.step()
    make_permanent(under)
    for name, module in layers.items():
        found = under.get_submodule(name).weight
        assert torch.equal(found[~mask.keep[name]], torch.zeros(int((~mask.keep[name]).sum())))
        assert torch.allclose(found[mask.keep[name]], module.weight[mask.keep[name]], atol=1e-6)


def test_new_masks_take_the_place_of_old_ones_and_masked_networks_can_be_copied():
    net = network()
    mask_weights(net, half(net))
    again = mask_weights(copy.deepcopy(net), half(net, "layerwise").within(masks_on(net)))
    for name, keep in masks_on(again).keep.items():
        assert torch.equal(keep, half(network(), "layerwise").keep[name] & masks_on(net).keep[name])


def test_within_the_context_only_and_bit_for_bit_back():
    net, x = Plain().eval(), torch.randn(3, 2, 16, 16)
    before, mask = {n: p.clone() for n, p in net.named_parameters()}, half(net)
    by_hand = copy.deepcopy(net)
    for name, keep in mask.keep.items():
        by_hand.get_submodule(name).weight.data[~keep] = 0
    with weights_masked(net, mask):
        assert torch.equal(net(x), by_hand(x))
    assert all(torch.equal(p, before[n]) for n, p in net.named_parameters())


def test_a_mask_of_another_network_is_refused():
    with pytest.raises(EasiEdgeError, match=r"conv1.*has no weight in this network"):
        mask_weights(network(), half(Plain()))
    with pytest.raises(EasiEdgeError, match=r"must be bool of shape"):
        mask_weights(Plain(a=7), WeightMask({"conv1": half(Plain()).keep["conv1"]}))
    assert half(Depthwise()).share_removed() == pytest.approx(0.5, abs=0.01)
