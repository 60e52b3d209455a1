"""Closed-form compensation against direct least squares, and its promise never to fit worse."""

import itertools

import pytest
import torch
from networks import NETWORKS, images, network, random_mask
from torch import nn

from easiedge.model.filter_groups import find_groups
from easiedge.model.gates import masked
from easiedge.model.patches import answers, patches
from easiedge.surgery.compensate import compensate, compensated, dense_targets
from easiedge.surgery.least_squares import NormalEquations
from easiedge.surgery.select import select
from easiedge.unit import Budget, FilterMask

LAYERS = {
    "conv": nn.Conv2d(4, 6, 3, padding=1, stride=2),
    "dilated": nn.Conv2d(4, 5, (3, 1), padding=(2, 0), dilation=2, bias=False),
    "same": nn.Conv2d(4, 5, 3, padding="same"),
    "grouped": nn.Conv2d(4, 6, 3, groups=2),
    "depthwise": nn.Conv2d(4, 4, 3, padding=1, groups=4),
    "conv1d": nn.Conv1d(4, 5, 3, stride=2),
    "linear": nn.Linear(5, 3),
}


def input_for(name):
    shape = {"linear": (7, 5), "conv1d": (7, 4, 9)}.get(name, (7, 4, 9, 8))
    return torch.randn(shape, generator=torch.Generator().manual_seed(3)).double()


@pytest.mark.parametrize("name", LAYERS)
def test_patches_times_weights_are_the_layer(name):
    layer, x = LAYERS[name].double(), input_for(name)
    y = layer(x)
    positions = y[0].shape[1:].numel() if name != "linear" else 1
    at = torch.randperm(positions, generator=torch.Generator().manual_seed(0))[:10].sort().values
    a = patches(layer, x, at)
    groups = getattr(layer, "groups", 1)
    w = layer.weight.flatten(1).reshape(groups, -1, a.shape[2])
    made = torch.einsum("rgd,god->rgo", a, w).reshape(len(a), -1)
    if layer.bias is not None:
        made = made + layer.bias
    assert torch.allclose(made, answers(layer, y, at))


@pytest.mark.parametrize("name", LAYERS)
def test_solution_equals_direct_least_squares(name):
    """numpy-style lstsq on the stacked system [a; sqrt(lambda) I], group by group."""
    layer, x = LAYERS[name].double(), input_for(name)
    at = torch.arange(layer(x)[0].shape[1:].numel() if name != "linear" else 1)
    a = patches(layer, x, at)
    targets = torch.randn(len(a), layer.weight.shape[0], generator=torch.Generator().manual_seed(9)).double()
    offset = layer.bias is not None
    equations = NormalEquations(layer, offset)
    for rows in torch.arange(len(a)).split(50):
        equations.add(a[rows], targets[rows])
    weight, bias = equations.solve(ridge=1e-2)
    full = torch.cat([a, torch.ones(*a.shape[:2], 1).double()], 2) if offset else a
    for g in range(full.shape[1]):
        start = equations.start[g]
        lam = 1e-2 * (full[:, g].T @ full[:, g]).diagonal().mean()
        system = torch.cat([full[:, g], lam.sqrt() * torch.eye(full.shape[2]).double()])
        wanted = torch.cat([targets.reshape(len(a), full.shape[1], -1)[:, g], lam.sqrt() * start.T])
        direct = torch.linalg.lstsq(system, wanted).solution.T
        rows = slice(g * len(start), (g + 1) * len(start))
        mine = torch.cat([weight[rows], bias[rows, None]], 1) if offset else weight[rows]
        assert torch.allclose(mine, direct, atol=1e-8)


@pytest.mark.parametrize("name", NETWORKS)
def test_fitted_and_shrunk_networks_agree_and_the_model_is_left_alone(name):
    model, x = network(name), images(64)
    groups = find_groups(model, x)
    mask = random_mask(groups, 0.4)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    fitted, compact = compensated(model, groups, mask, dense_targets(model, [x[:32], x[32:]]))
    with masked(fitted, groups, mask):
        assert torch.allclose(fitted(x), compact(x), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_removed_changes_nothing(name):
    model, x = network(name), images(32)
    groups = find_groups(model, x)
    fitted = compensate(model, groups, FilterMask.full(groups), [x])
    assert torch.allclose(fitted(x), model(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_refitted_layer_never_fits_worse_than_before(name):
    """Squared error of the network's last layer against the dense network, on the calibration images."""
    model, x = network(name), images(128)
    groups = find_groups(model, x)
    mask = random_mask(groups, 0.3)
    with masked(model, groups, mask):
        plain = (model(x) - network(name)(x)).square().mean()
    fitted = compensate(model, groups, mask, [x], ridge=1e-4, positions=64)
    with masked(fitted, groups, mask):
        better = (fitted(x) - model(x)).square().mean()
    assert better < plain


@pytest.mark.parametrize("compensation", [None, "least_squares"])
@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_select_meets_the_budget_and_reports_progress(compensation, scope):
    model, x = network("Residual"), images(32)
    groups = find_groups(model, x)
    seen = []
    mask = select(
        model, groups, [x], budget=Budget(filters_removed=0.5), scope=scope, chunk=0.2, compensation=compensation,
        progress=lambda done, of, m: seen.append((done, of, m.share_removed())),
    )  # fmt: skip
    units = sum(g.size for g in groups)
    assert 0.5 <= mask.share_removed() <= 0.5 + 1 / units
    assert [s[:2] for s in seen] == [(1, 3), (2, 3), (3, 3)] and seen[0][2] < seen[1][2] < seen[2][2]


def test_chunks_only_ever_add_to_what_is_gone():
    model, x = network("Depthwise"), images(32)
    groups = find_groups(model, x)
    masks = []
    select(model, groups, [x], budget=Budget(macs_removed=0.6), chunk=0.2, progress=lambda d, o, m: masks.append(m))
    for earlier, later in itertools.pairwise(masks):
        assert all(bool((earlier.keep[n] | ~later.keep[n]).all()) for n in earlier.keep)
