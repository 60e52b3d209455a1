"""Anwar et al.'s levels and Polyak and Wolf's activity: masks, and removal where the shape allows it."""

import pytest
import torch
from networks import Plain, Residual, randomise_norms
from torch import nn

from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.filter_groups import find_groups
from easiedge.model.lenet import lenet
from easiedge.weights.channel_activity import inbound_activity
from easiedge.weights.cutting import Cutting
from easiedge.weights.dead_units import dead_units, without_dead_units
from easiedge.weights.layers import weight_layers
from easiedge.weights.masked_weights import make_permanent, mask_weights
from easiedge.weights.strided import Lattice, dilated, lattice_of, lattices, strided_keep, without_strides
from easiedge.weights.weight_mask import WeightMask

IMAGES = torch.randn(6, 2, 8, 8)


def plain():
    return randomise_norms(Plain(a=6, b=8, hidden=9)).eval()


def cut(net, ratio=0.5, images=IMAGES, **how):
    made = Cutting(**how)(net, weight_layers(net), [images], ratio, groups=find_groups(net, images[:2]))
    return make_permanent(mask_weights(net, made.mask)), made.mask


def test_kernels_go_as_a_whole_and_linear_layers_stay():
    net = plain()
    norms = {n: net.get_submodule(n).weight.detach().abs().flatten(2).mean(2) for n in ("conv1", "conv2")}
    net, mask = cut(net, level="kernel")
    assert mask.keep.keys() == {"conv1", "conv2"} and mask.share_removed() == pytest.approx(0.5)
    gone = torch.cat([norms[n][~k.flatten(2).any(2)] for n, k in mask.keep.items()])
    kept = torch.cat([norms[n][k.flatten(2).all(2)] for n, k in mask.keep.items()])
    assert len(gone) + len(kept) == 12 + 48 and gone.max() <= kept.min()


def test_lattices_of_a_kernel_and_the_best_of_them():
    assert len(lattices((3, 3))) == 36 and Lattice((5,), (2,), (1,)).positions().tolist() == [
        False,
        True,
        False,
        True,
        False,
    ]
    scores = torch.zeros(2, 3, 5, 5)
    scores[:, :, 1::2, ::2] = 1.0
    keep = strided_keep(scores, 0.7)
    assert lattice_of(keep) == Lattice((5, 5), (2, 2), (1, 0))
    assert keep.float().mean() == pytest.approx(6 / 25)
    scores[:, 2], scores[:, 2, ::2, 1::2] = 0.0, 1.0
    each = strided_keep(scores, 0.7, per_source=True)
    assert lattice_of(each[:, :2]) == Lattice((5, 5), (2, 2), (1, 0)) and lattice_of(each) is None
    assert lattice_of(strided_keep(scores, 0.99)) is not None and strided_keep(scores, 0.99)[0, 0].sum() == 1
    assert bool(strided_keep(scores, 0.0).all())


@pytest.mark.parametrize("kernel", [3, 4, 5])
@pytest.mark.parametrize("ratio", [0.4, 0.7, 0.95])
def test_a_lattice_becomes_a_dilated_convolution_or_stays_a_mask(kernel, ratio):
    net = nn.Sequential(
        nn.Conv2d(2, 3, kernel, padding=kernel // 2, stride=2), nn.ReLU(), nn.Conv2d(3, 4, 3, padding=2, dilation=2)
    ).eval()
    scores = {n: m.weight.detach().abs() for n, m in weight_layers(net).items()}
    mask = WeightMask({n: strided_keep(s, ratio) for n, s in scores.items()})
    make_permanent(mask_weights(net, mask))
    smaller, done = without_strides(net, mask)
    x = torch.randn(2, 2, 11, 9)
    assert torch.allclose(smaller(x), net(x), atol=1e-6)
    for name, module in weight_layers(smaller).items():
        assert (module.weight.numel() < mask.keep[name].numel()) == (name in done)
        assert name not in done or bool((module.weight != 0).all())


def test_every_lattice_of_a_padded_kernel_is_exact_or_refused():
    layer, x, exact = nn.Conv2d(2, 3, 5, padding=2).double(), torch.randn(2, 2, 9, 9, dtype=torch.float64), 0
    for lattice in lattices((5, 5)):
        masked = nn.Conv2d(2, 3, 5, padding=2).double()
        masked.weight.data, masked.bias.data = layer.weight * lattice.positions(), layer.bias.data
        try:
            smaller = dilated(layer, lattice)
        except ModelError:
            continue
        assert torch.allclose(smaller(x), masked(x))
        exact += 1
    assert 0 < exact < len(lattices((5, 5)))


def test_the_channel_level_leaves_dead_units_that_are_removed_for_real():
    net = plain()
    before = sum(p.numel() for p in net.parameters())
    net, _ = cut(net, level="channel")
    groups = find_groups(net, IMAGES[:2])
    compact, units = without_dead_units(net, groups, IMAGES)
    assert sum(units.kept().values()) < sum(g.size for g in groups)
    assert sum(p.numel() for p in compact.parameters()) <= 0.5 * before
    assert torch.allclose(compact(IMAGES), net(IMAGES), atol=1e-5)
    for group in groups:
        made = net.get_submodule(group.name).weight
        assert torch.equal((made != 0).flatten(1).any(1), units.keep[group.name])


def test_residual_streams_lose_channels_together():
    net = randomise_norms(Residual(width=8)).eval()
    net, _ = cut(net, 0.4, level="channel", scope="layerwise")
    compact, units = without_dead_units(net, find_groups(net, IMAGES[:2]), IMAGES)
    assert units.share_removed() > 0.1 and torch.allclose(compact(IMAGES), net(IMAGES), atol=1e-5)


def test_what_only_dead_units_read_is_dead_too_and_scattered_zeros_kill_nothing():
    net = plain()
    groups = find_groups(net, IMAGES[:2])
    net.fc2.weight.data[:, 2] = 0.0
    net.fc1.weight.data[[0, 1, 3, 4, 5, 6, 7, 8], : 3 * 16] = (
        0.0  # only unit 2 of fc1 reads the first three units of conv2
    )
    found = dead_units(net, groups)
    assert found.keep["fc1"].tolist() == [True, True, False] + [True] * 6
    assert found.keep["conv2"].tolist() == [False] * 3 + [True] * 5 and bool(found.keep["conv1"].all())
    scattered, _ = cut(plain(), 0.5)
    assert dead_units(scattered, groups).share_removed() == 0.0
    net.fc2.weight.data.zero_()
    assert dead_units(net, groups).kept() == {"conv1": 1, "conv2": 1, "fc1": 1}


def test_activity_is_the_variance_of_what_a_channel_brings_in():
    net, x = plain(), torch.randn(7, 2, 8, 8)
    layers = weight_layers(net)
    found = inbound_activity(net, layers, [x[:4], x[4:]])
    read = {}
    hooks = [m.register_forward_pre_hook(lambda m, i, n=n: read.__setitem__(n, i[0])) for n, m in layers.items()]
    with torch.no_grad():
        net(x)
    for hook in hooks:
        hook.remove()
    for name, module in layers.items():
        weight, by_hand = module.weight.detach(), torch.zeros(module.weight.shape[:2])
        for o in range(weight.shape[0]):
            for i in range(weight.shape[1]):
                if weight.ndim == 4:
                    part = nn.functional.conv2d(read[name][:, i : i + 1], weight[o, i][None, None], padding=1)
                else:
                    part = read[name][:, i] * weight[o, i]
                by_hand[o, i] = part.var(correction=0)
        kernels = found[name].flatten(2).sum(2) if weight.ndim == 4 else found[name]
        assert torch.allclose(kernels.float(), by_hand, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("criterion", ["magnitude", "optimal_brain_damage", "channel_activity"])
@pytest.mark.parametrize("level", ["weight", "kernel", "strided", "channel"])
def test_every_criterion_serves_every_level_and_further_cuts_only_take_more(criterion, level):
    net, how = plain(), Cutting(criterion, level)
    layers, groups = weight_layers(net), find_groups(net, IMAGES[:2])
    first = how(net, layers, [IMAGES], 0.3, groups=groups).mask
    mask_weights(net, first)
    make_permanent(net)
    second = how(net, layers, [IMAGES], 0.6, before=first, groups=groups).mask
    assert second.share_removed() > first.share_removed() >= 0.2
    assert all(bool((second.keep[n] <= k).all()) for n, k in first.keep.items() if n in second.keep)


@pytest.mark.parametrize(
    ("how", "says"),
    [({"criterion": "luck"}, "magnitude, optimal_brain_damage"), ({"level": "row"}, "weight, kernel, strided, channel"), ({"scope": "here"}, "global, layerwise"), ({"criterion": "optimal_brain_surgeon", "level": "kernel"}, "single weights"), ({"options": {"block": 4}}, "it takes none"), ({"criterion": "optimal_brain_damage", "options": {"block": 4}}, "it takes probe, passes, seed")],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(how, says):
    with pytest.raises(EasiEdgeError, match=says):
        Cutting(**how)


def test_levels_of_convolutions_need_one_and_units_need_all_their_layers():
    net = lenet(image_size=8).eval()
    with pytest.raises(ModelError, match="no convolution is among fc1"):
        Cutting(level="kernel")(net, weight_layers(net, ["fc1"]), [], 0.5)
    with pytest.raises(ModelError, match="no units are made by fc2"):
        Cutting(level="channel")(
            net,
            weight_layers(net, ["fc2"]),
            [torch.randn(2, 1, 8, 8)],
            0.5,
            groups=find_groups(net, torch.randn(2, 1, 8, 8)),
        )
    for ratio in (-0.1, 1.0):
        with pytest.raises(EasiEdgeError, match=r"outside \[0, 1\)"):
            Cutting()(net, weight_layers(net), [], ratio)
