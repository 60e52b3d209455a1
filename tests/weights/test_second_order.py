"""Optimal Brain Damage and Surgeon on single weights, against finite differences and brute force."""

import copy
import itertools

import pytest
import torch
from networks import Depthwise, Plain
from torch import nn

from easiedge.errors import EasiEdgeError, ModelError
from easiedge.weights.elimination import eliminate
from easiedge.weights.inverse_fisher import recursive_inverse
from easiedge.weights.layers import weight_layers
from easiedge.weights.optimal_brain_damage import weight_saliency
from easiedge.weights.optimal_brain_surgeon import FULL_LIMIT, surgeon
from easiedge.weights.weight_fisher import fisher_diagonal
from easiedge.weights.weight_mask import WeightMask


def convolutional():
    """Overlapping, strided, grouped convolutions, with a layer that runs twice."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.twice = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, (1, 3), padding=(0, 1), groups=2)
            self.b, self.h = nn.Conv2d(4, 3, 2, stride=2), nn.Linear(3 * 2 * 2, 3)

        def forward(self, x):
            x = torch.tanh(self.twice(torch.tanh(self.twice(torch.tanh(self.a(x))))))
            return self.h(torch.tanh(self.b(x)).flatten(1))

    return Net().double().eval(), [torch.randn(5, 2, 4, 4, dtype=torch.float64)]


def tiny():
    """Eleven weights in two layers, with biases that stay."""
    net = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 3, bias=False)).double().eval()
    return net, [torch.randn(6, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)]


def information_gain(net, batches, reference):
    with torch.no_grad():
        logs = [net(x).log_softmax(1) for x in batches]
        gain = sum((p.exp() * (p - q)).sum() for p, q in zip(reference, logs, strict=True))
    return float(gain / sum(len(x) for x in batches))


def log_probabilities(net, batches):
    with torch.no_grad():
        return [net(x).log_softmax(1) for x in batches]


def hessian(net, batches):
    """Of the information gain at the network, by all weights of its layers, from its definition: J' (diag(p) - p p') J."""
    weights = [m.weight for m in weight_layers(net).values()]
    total, images = 0, 0
    for x in (image[None] for batch in batches for image in batch):
        z = net(x)[0]
        J = torch.stack(
            [torch.cat([g.flatten() for g in torch.autograd.grad(each, weights, retain_graph=True)]) for each in z]
        )
        p = z.softmax(0).detach()
        total, images = total + J.T @ (p.diag() - p[:, None] * p) @ J, images + 1
    return total / images


@pytest.mark.parametrize("case", [convolutional, tiny])
def test_the_diagonal_is_that_of_finite_differences(case):
    net, batches = case()
    layers = weight_layers(net)
    found = fisher_diagonal(net, layers, batches, probe="exact")
    reference, step = log_probabilities(net, batches), 1e-4
    for name, module in layers.items():
        by_hand, weight = torch.zeros_like(module.weight), module.weight.data
        for at in itertools.product(*map(range, weight.shape)):
            value, gains = float(weight[at]), []
            for moved in (value + step, value - step):
                weight[at] = moved
                gains.append(information_gain(net, batches, reference))
            weight[at] = value
            by_hand[at] = sum(gains) / step**2
        assert torch.allclose(found[name], by_hand, rtol=1e-4, atol=1e-7)
        saliency = weight_saliency(net, layers, batches, probe="exact")[name]
        assert torch.allclose(saliency, 0.5 * by_hand * weight**2, rtol=1e-4, atol=1e-7)


def test_random_probes_agree_on_average_and_the_network_is_left_as_it_was():
    net, batches = convolutional()
    before, layers = copy.deepcopy(net.state_dict()), weight_layers(net)
    exact = fisher_diagonal(net, layers, batches, probe="exact")
    sketched = fisher_diagonal(net, layers, batches, passes=400)
    for name in layers:
        assert torch.allclose(exact[name].sum(), sketched[name].sum(), rtol=0.1)
    assert all(torch.equal(v, before[n]) for n, v in net.state_dict().items())
    assert all(p.requires_grad for p in net.parameters()) and not net.training


def brute_force(H, w, count, free):
    """Remove ``count`` weights one after the other, each time the one that costs least with all others moving, by solving for every candidate."""
    w, gone, loss = w.clone(), [i for i in range(len(w)) if not free[i]], []
    start = w.clone()
    for _ in range(count):
        found = []
        for q in (i for i in range(len(w)) if i not in gone):
            fixed = [*gone, q]
            n, k = len(w), len(fixed)
            A = torch.zeros(n + k, n + k, dtype=torch.float64)  # stationarity and the constraints d_fixed = -w_fixed
            A[:n, :n], A[n:, :n] = H, torch.eye(n, dtype=torch.float64)[fixed]
            A[:n, n:] = A[n:, :n].T
            d = torch.linalg.solve(A, torch.cat([torch.zeros(n, dtype=torch.float64), -w[fixed]]))[:n]
            found.append((float(0.5 * d @ H @ d), q, d))
        cost, q, d = min(found, key=lambda x: x[0])
        w, gone = w + d, [*gone, q]
        loss.append(cost)
    return w, sorted(gone), loss, 0.5 * (w - start) @ H @ (w - start)


@pytest.mark.parametrize("before", [False, True])
def test_the_surgeon_equals_brute_force(before):
    net, batches = tiny()
    layers = weight_layers(net)
    mask = WeightMask.full(layers)
    if before:
        mask.keep["0"][1, 2] = mask.keep["2"][0, 0] = False
        for name, m in layers.items():
            m.weight.data *= mask.keep[name]
    found, values = surgeon(net, layers, batches, 0.5, before=mask, probe="exact", damping=1e-3)
    H = hessian(net, batches)
    H += 1e-3 * float(H.diagonal().mean()) * torch.eye(len(H))
    w = torch.cat([m.weight.detach().flatten() for m in layers.values()])
    free = torch.cat([k.flatten() for k in mask.keep.values()])
    goal, gone = 6, int((~free).sum())
    by_hand, removed, _, _ = brute_force(H, w, goal - gone, free)
    keep = torch.cat([k.flatten() for k in found.keep.values()])
    assert (~keep).nonzero()[:, 0].tolist() == removed
    assert torch.allclose(torch.cat([v.flatten() for v in values.values()]), by_hand, atol=1e-8)
    assert all(torch.equal(values[n] == 0, ~found.keep[n]) for n in layers)


def test_step_by_step_is_the_best_answer_for_what_has_gone_together():
    torch.manual_seed(1)
    root, w = torch.randn(9, 9, dtype=torch.float64), torch.randn(9, dtype=torch.float64)
    H = root @ root.T + 0.1 * torch.eye(9)
    new, alive, losses = eliminate(
        w[None], torch.linalg.inv(H)[None], torch.ones(1, 9, dtype=torch.bool), torch.tensor([5])
    )
    gone = ~alive[0]
    d = torch.zeros(9, dtype=torch.float64)
    d[gone] = -w[gone]
    d[~gone] = torch.linalg.solve(H[~gone][:, ~gone], H[~gone][:, gone] @ w[gone])
    assert torch.allclose(new[0], w + d) and float(losses.sum()) == pytest.approx(float(0.5 * d @ H @ d))


def test_the_surgeon_moves_the_others_and_so_loses_less_than_damage_alone():
    net, batches = tiny()
    layers, reference = weight_layers(net), log_probabilities(net, batches)
    mask, values = surgeon(net, layers, batches, 0.4, probe="exact")
    moved, cut = copy.deepcopy(net), copy.deepcopy(net)
    for name in layers:
        moved.get_submodule(name).weight.data = values[name]
        cut.get_submodule(name).weight.data *= mask.keep[name]
    assert information_gain(moved, batches, reference) < information_gain(cut, batches, reference)


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_the_recursion_is_the_inverse(at_once):
    rows = [torch.randn(4, 7, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)]
    X = torch.cat(rows)
    direct = torch.linalg.inv(0.01 * torch.eye(7, dtype=torch.float64) + X.T @ X / 9)
    assert torch.allclose(recursive_inverse(rows, 9, 0.01, 7, at_once), direct)


def test_layerwise_takes_the_same_share_of_each_layer():
    net, batches = tiny()
    layers = weight_layers(net)
    for block in (None, 4):
        mask, values = surgeon(net, layers, batches, 0.5, scope="layerwise", probe="exact", block=block)
        assert mask.kept() == {"0": 3, "2": 3}
        assert all(torch.equal(values[n] == 0, ~mask.keep[n]) for n in layers)


def test_blocks_equal_the_full_inverse_where_nothing_is_outside_them():
    net = nn.Sequential(nn.Linear(5, 3, bias=False)).double().eval()
    batches, layers = [torch.randn(40, 5, dtype=torch.float64)], weight_layers(net)
    H = hessian(net, batches)
    blocked = torch.block_diag(*[H[i : i + 4, i : i + 4] for i in range(0, 15, 4)])
    alpha = 1e-2 * float(H.diagonal().mean())
    by_hand, removed, _, _ = brute_force(
        blocked + alpha * torch.eye(15), net[0].weight.detach().flatten(), 7, [True] * 15
    )
    mask, values = surgeon(net, layers, batches, 7 / 15, probe="exact", block=4, damping=1e-2)
    assert (~mask.keep["0"].flatten()).nonzero()[:, 0].tolist() == removed
    assert torch.allclose(values["0"].flatten(), by_hand, atol=1e-5)
    one, same = (
        surgeon(net, layers, batches, 7 / 15, probe="exact", block=15),
        surgeon(net, layers, batches, 7 / 15, probe="exact"),
    )
    assert torch.equal(one[0].keep["0"], same[0].keep["0"]) and torch.allclose(one[1]["0"], same[1]["0"], atol=1e-5)


@pytest.mark.parametrize("block", [None, 8])
def test_no_layer_is_cut_through(block):
    net = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 40), nn.Tanh(), nn.Linear(40, 3)).double().eval()
    net[0].weight.data *= 1e-3  # by loss alone the whole layer would go first
    mask, values = surgeon(net, weight_layers(net), [torch.randn(50, 6, dtype=torch.float64)], 0.9, block=block)
    assert mask.kept()["0"] == 1 and mask.share_removed() == pytest.approx(0.9, abs=0.005)
    assert all(torch.equal(values[n] != 0, keep) for n, keep in mask.keep.items())


def test_blocks_of_few_images_can_be_inverted_whatever_the_damping():
    net = nn.Sequential(nn.Linear(64, 4, bias=False)).eval()
    x = [torch.randn(3, 64) * 100]
    mask, values = surgeon(net, weight_layers(net), x, 0.5, block=64, damping=1e-12)
    assert mask.kept() == {"0": 128} and bool(values["0"].isfinite().all())


def test_blocks_go_on_from_an_earlier_mask_and_take_grouped_convolutions():
    net, x = Depthwise().eval(), [torch.randn(8, 2, 8, 8)]
    layers = weight_layers(net)
    first, values = surgeon(net, layers, x, 0.3, block=6)
    for name, value in values.items():
        net.get_submodule(name).weight.data = value
    second, _ = surgeon(net, layers, x, 0.6, block=6, before=first)
    assert first.share_removed() == pytest.approx(0.3, abs=0.01) and second.share_removed() == pytest.approx(
        0.6, abs=0.01
    )
    assert all(bool((second.keep[n] <= first.keep[n]).all()) for n in layers)


def test_a_layer_too_large_for_its_inverse_is_refused_with_the_limit_and_the_way():
    net = nn.Sequential(nn.Linear(100, 50))
    with pytest.raises(
        ModelError,
        match=rf"5,000 weights \(0.2 GB\) at once, {FULL_LIMIT:,} are its limit: give block=64 .*sparsity.options.block=64",
    ):
        surgeon(net, weight_layers(net), [torch.randn(2, 100)], 0.5)
    surgeon(net, weight_layers(net), [torch.randn(2, 100)], 0.5, block=10)


@pytest.mark.parametrize(("options", "says"), [({"block": 1}, "whole number from 2 to 512"), ({"damping": 0.0}, "above 0"), ({"ratio": 1.0}, r"outside \[0, 1\)"), ({"scope": "all"}, "global, layerwise")])  # fmt: skip
def test_options_that_cannot_be_are_refused(options, says):
    net, batches = tiny()
    with pytest.raises(EasiEdgeError, match=says):
        surgeon(net, weight_layers(net), batches, **({"ratio": 0.5} | options))


def test_masked_layers_can_be_scored():
    net = Plain().eval()
    layers = weight_layers(net)
    found = weight_saliency(net, layers, [torch.randn(4, 2, 8, 8)])
    assert {n: s.shape for n, s in found.items()} == {n: m.weight.shape for n, m in layers.items()}
    assert all(bool((s >= 0).all()) and float(s.sum()) > 0 for s in found.values())
