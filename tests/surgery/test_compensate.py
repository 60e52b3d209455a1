"""Closed-form compensation against direct least squares, and its promise never to fit worse."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from networks import NETWORKS, images, network, random_mask
from torch import nn

from easiedge.errors import DataError
from easiedge.model.filter_groups import analyse, find_groups
from easiedge.model.gates import masked
from easiedge.model.graph import trace
from easiedge.model.patches import answers, patches
from easiedge.surgery.calibration import Calibration
from easiedge.surgery.compensate import Compensation, compensate
from easiedge.surgery.least_squares import LeastSquares
from easiedge.surgery.normal_equations import NormalEquations
from easiedge.surgery.places import find_places
from easiedge.surgery.replay import Replay
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


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_solution_equals_direct_least_squares(name, few):
    """numpy-style lstsq on the stacked system [a; sqrt(lambda) I], group by group, with more positions than inputs and with fewer."""
    layer, x = LAYERS[name].double(), input_for(name)
    at = torch.arange(layer(x)[0].shape[1:].numel() if name != "linear" else 1)
    a = patches(layer, x, at)
    a = a[: a.shape[2] // 2] if few else a
    targets = torch.randn(len(a), layer.weight.shape[0], generator=torch.Generator().manual_seed(9)).double()
    offset = layer.bias is not None
    fit = LeastSquares(layer, offset)
    for rows in torch.arange(len(a)).split(3):
        fit.add(a[rows], targets[rows])
    assert (fit.many is None) == few
    weight, bias = fit.solve(ridge=1e-2)
    full = torch.cat([a, torch.ones(*a.shape[:2], 1).double()], 2) if offset else a
    for g in range(full.shape[1]):
        start = fit.start[g]
        lam = 1e-2 * (a[:, g].T @ a[:, g]).diagonal().mean()
        system = torch.cat([full[:, g], lam.sqrt() * torch.eye(full.shape[2]).double()])
        wanted = torch.cat([targets.reshape(len(a), full.shape[1], -1)[:, g], lam.sqrt() * start.T])
        direct = torch.linalg.lstsq(system, wanted).solution.T
        rows = slice(g * len(start), (g + 1) * len(start))
        mine = torch.cat([weight[rows], bias[rows, None]], 1) if offset else weight[rows]
        assert torch.allclose(mine, direct, atol=1e-8)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("ridge", [1e-6, 1e-2, 10.0])
def test_a_solution_never_misses_its_targets_by_more_than_the_weights_before(name, ridge):
    layer, x = LAYERS[name].double(), input_for(name)
    at = torch.arange(layer(x)[0].shape[1:].numel() if name != "linear" else 1)
    a, targets = patches(layer, x, at), torch.randn_like(answers(layer, layer(x).detach(), at))
    fit = LeastSquares(layer, layer.bias is not None)
    fit.add(a, targets)
    weight, bias = fit.solve(ridge)
    said = torch.einsum("rgd,god->rgo", a, weight.reshape(a.shape[1], -1, a.shape[2])).reshape(len(a), -1)
    after = float((targets - said - (0.0 if bias is None else bias)).detach().square().sum())
    assert after < fit.before == pytest.approx(float((targets - answers(layer, layer(x).detach(), at)).square().sum()))


@pytest.mark.parametrize("name", NETWORKS)
def test_fitted_and_shrunk_networks_agree_and_the_model_is_left_alone(name):
    model, x = network(name), images(64)
    groups = find_groups(model, x)
    mask = random_mask(groups, 0.4)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    fitted, compact = Compensation(model, groups, [x[:32], x[32:]]).compensated(mask)
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
    turns = 6 if compensation else 3  # with a refit in two ways, one after the other
    assert [s[:2] for s in seen] == [(turn, turns) for turn in range(1, turns + 1)]
    assert all(seen[first][2] < seen[first + 1][2] < seen[first + 2][2] for first in range(0, turns, 3))


def test_chunks_only_ever_add_to_what_is_gone():
    model, x = network("Depthwise"), images(32)
    groups = find_groups(model, x)
    masks = []
    select(model, groups, [x], budget=Budget(macs_removed=0.6), chunk=0.2, progress=lambda d, o, m: masks.append(m))
    for earlier, later in itertools.pairwise(masks):
        assert all(bool((earlier.keep[n] | ~later.keep[n]).all()) for n in earlier.keep)


class Loader:
    """A loader of batches that counts its passes; ``shuffled`` ones give other images each time."""

    def __init__(self, x, size, shuffled=False):
        self.x, self.size, self.shuffled, self.passes = x, size, shuffled, 0

    def __iter__(self):
        self.passes += 1
        order = torch.randperm(len(self.x)) if self.shuffled else torch.arange(len(self.x))
        return iter(self.x[order].split(self.size))


def value_of(model, name, x):
    """What a node of a network says."""
    traced = trace(model)
    node = next(n for n in traced.graph.nodes if n.name == name)
    traced.graph.erase_node(traced.graph.find_nodes(op="output")[0])
    traced.graph.output(node)
    traced.recompile()
    return traced(x).detach()


def weights_of(module):
    return torch.cat([t.flatten().float() for t in module.state_dict().values()])


@pytest.mark.parametrize("memory", [0.0, 20_000.0, 100_000.0])
@pytest.mark.parametrize("name", NETWORKS)
def test_little_memory_gives_the_same_weights(name, memory):
    model, x = network(name), images(48)
    groups = find_groups(model, x)
    mask = random_mask(groups, 0.4)
    plenty = compensate(model, groups, mask, x.split(16))
    loader = Loader(x, 16)
    session = Compensation(model, groups, loader, memory=memory)
    little = session.compensated(mask)[0]
    assert torch.allclose(weights_of(little), weights_of(plenty), rtol=1e-4, atol=1e-5)
    assert session.targets.recorded == 0.0 or memory > 0.0
    assert loader.passes > 2 or memory > 50_000.0


@torch.no_grad()
def test_checkpoints_stay_within_the_memory_and_plenty_computes_nothing_twice(monkeypatch):
    model, x = network("Residual"), images(64)
    calibration, traced = Calibration(x.split(16), 0.0, "this test"), trace(model)
    names = [n.name for n in traced.graph.nodes if n.op == "call_module"]
    runs = {}
    for memory in (0.0, 60_000.0, 1e9):
        replay, count = Replay(traced, calibration, memory), 0
        value = replay._value
        ran = []
        monkeypatch.setattr(
            replay, "_value", lambda n, *rest, value=value, ran=ran: ran.append(n.name) or value(n, *rest)
        )
        for name in names:
            for _ in replay.at([(replay.number[name], [])]):
                held = sum(t.nbytes for _, v, _ in replay._checkpoints.values() for t in v.values())
                assert held <= memory
                count += 1
        assert count == 4 * len(names)
        runs[memory] = len(ran)
    assert runs[0.0] > runs[60_000.0] > runs[1e9] == 4 * (replay.number[names[-1]])


@pytest.mark.parametrize("memory", [0.0, 1e9])
def test_a_loader_that_shuffles_is_refused_or_kept(memory):
    model, x = network("Plain"), images(32)
    groups = find_groups(model, x)
    loader = Loader(x, 8, shuffled=True)
    if memory:
        compensate(model, groups, random_mask(groups, 0.3), loader, memory=memory)
        assert loader.passes == 1
    else:
        with pytest.raises(DataError, match="turn shuffling and augmentation off"):
            compensate(model, groups, random_mask(groups, 0.3), loader, memory=memory)


def test_a_generator_is_enough_and_no_batches_are_an_error():
    model, x = network("Plain"), images(32)
    groups = find_groups(model, x)
    mask = random_mask(groups, 0.3)
    wanted = weights_of(compensate(model, groups, mask, x.split(8)))
    assert torch.equal(weights_of(compensate(model, groups, mask, iter(x.split(8)), memory=0.0)), wanted)
    with pytest.raises(DataError, match="no calibration batches"):
        compensate(model, groups, mask, [])


@pytest.mark.parametrize("name", NETWORKS)
def test_chunks_with_reuse_equal_one_compensation_at_the_last_mask(name):
    """Units go layer by layer from the back, so that there is much to reuse, then at random."""
    model, x = network(name), images(48)
    groups = find_groups(model, x)
    session = Compensation(model, groups, [x[:24], x[24:]])
    mask = FilterMask.full(groups)
    masks = []
    for group in reversed(groups):
        mask = FilterMask({**mask.keep, group.name: random_mask([group], 0.4).keep[group.name]})
        masks.append(mask)
    masks.append(FilterMask({n: k & random_mask(groups, 0.3, seed=7).keep[n] for n, k in mask.keep.items()}))
    masks[-1] = FilterMask({n: k if k.any() else mask.keep[n] for n, k in masks[-1].keep.items()})
    for mask in masks:
        chunked = session.shrink(mask)
        scratch = Compensation(model, groups, [x[:24], x[24:]]).shrink(mask)
        assert torch.allclose(weights_of(chunked), weights_of(scratch), rtol=1e-4, atol=1e-5)


def test_what_lies_before_the_change_is_not_refitted_again(monkeypatch):
    model, x = network("Plain"), images(32)
    groups = find_groups(model, x)
    session, solved = Compensation(model, groups, [x]), []
    solve = Compensation._solve
    monkeypatch.setattr(
        Compensation, "_solve", lambda self, place, *rest: solved.append(place.layer) or solve(self, place, *rest)
    )

    def without(**gone):
        keep = {g.name: torch.arange(g.size) >= gone.get(g.name, 0) for g in groups}
        solved.clear()
        session.shrink(FilterMask(keep))
        return solved

    assert without() == []
    assert without(conv1=2) == ["conv2", "fc1", "fc2"]  # conv1 reads the images, which are as they were
    assert without(conv1=2) == []
    assert without(conv1=2, conv2=1) == ["fc1", "fc2"]  # conv2's other outputs keep their solution
    assert without(conv1=2, conv2=1, fc1=3) == ["fc2"]
    assert without(conv1=3, conv2=1, fc1=3) == ["conv2", "fc1", "fc2"]


class Siamese(nn.Module):
    """One layer in two places at once, and one that is called on what it said."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 6, 3, padding=1)
        self.shared = nn.Conv2d(6, 5, 3, padding=1)
        self.mix = nn.Conv2d(5, 5, 1)
        self.again = nn.Conv2d(5, 5, 1)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        left = F.relu(self.shared(F.relu(self.a(x[:, :1]))))
        right = F.relu(self.shared(F.relu(self.a(x[:, 1:]))))
        y = F.relu(self.mix(left + right))
        return self.head(F.relu(self.again(F.relu(self.again(y)))).mean((2, 3)))


@pytest.mark.parametrize("memory", [0.0, 1e9])
def test_a_layer_called_twice_is_refitted_for_both_calls(memory, caplog):
    torch.manual_seed(0)
    model, x = Siamese().eval(), images(40)
    groups = [g for g in find_groups(model, x) if g.name == "a"]
    mask = FilterMask({"a": torch.tensor([True, False, True, True, False, True])})
    fitted, compact = Compensation(
        model, groups, [x[:20], x[20:]], ridge=1e-3, positions=64, memory=memory
    ).compensated(mask)
    read = F.relu(model.a(torch.cat([x[:, :1], x[:, 1:]])))  # a reads the images: it is as it was
    target = model.shared(read).double()
    a = patches(model.shared, read, torch.arange(64))[:, 0].double()
    a = a.reshape(len(a), 6, 9)[:, mask.keep["a"]].flatten(1)
    full = torch.cat([a, torch.ones(len(a), 1).double()], 1)
    start = torch.cat([model.shared.weight[:, mask.keep["a"]].flatten(1), model.shared.bias[:, None]], 1).double()
    gram = full.T @ full
    lam = 1e-3 * gram.diagonal().mean()
    wanted = torch.linalg.solve(
        gram + lam * torch.eye(len(gram)).double(),
        full.T @ answers(model.shared, target, torch.arange(64)) + lam * start.T,
    ).T
    mine = torch.cat([compact.shared.weight.flatten(1), compact.shared.bias[:, None]], 1).double()
    assert torch.allclose(mine, wanted, atol=1e-4)
    assert "leaves again as they are" in caplog.text and torch.equal(fitted.again.weight, model.again.weight)


def test_layers_that_share_a_parameter_keep_it(caplog):
    class Tied(Siamese):
        def __init__(self):
            super().__init__()
            self.again.weight = self.mix.weight

    model, x = Tied().eval(), images(16)
    groups = find_groups(model, x)
    fitted = compensate(model, groups, random_mask(groups, 0.3), [x])
    assert "mix" in caplog.text and torch.equal(fitted.mix.weight, model.mix.weight)


def test_a_layer_before_a_sum_makes_up_for_the_other_operand():
    """The stream loses units that only the block's last layer can answer for; it is solved towards the dense stream."""
    model, x = network("Residual"), images(96)
    groups = find_groups(model, x)
    places = {p.layer: p for p in find_places(analyse(model, x)[0])}
    assert places["a2"].total is not None and places["b1"].total is not None and places["stem"].total is None
    mask = random_mask(groups, 0.4, seed=2)
    compact = Compensation(model, groups, [x], ridge=1e-4, positions=64).compensated(mask)[1]
    keep = torch.ones(8, dtype=torch.bool)
    for g in groups:
        if "b1" in g.layers:
            keep[g.produced("b1")[~mask.keep[g.name]].reshape(-1)] = False
    wanted, said = (value_of(m, places["b1"].total, x) for m in (model, compact))
    error = (wanted[:, keep] - said).double()
    inputs = patches(compact.b1, value_of(compact, places["b1"].sources[0], x), torch.arange(16))[:, 0].double()
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1).double()], 1)
    left = answers(compact.b1, error, torch.arange(16))
    # at the minimum the error is orthogonal to what the layer reads, up to the ridge
    correlation = (inputs.T @ left).norm(dim=1) / (inputs.norm(dim=0) * left.norm())
    assert left.norm() > 0.1 and correlation.max() < 0.02


def test_what_nothing_reads_is_left_out():
    class Idle(Siamese):
        def forward(self, x):
            idle = self.mix(F.relu(self.shared(self.a(x[:, :1]))))  # noqa: F841
            return self.head(F.relu(self.shared(F.relu(self.a(x[:, 1:])))).mean((2, 3)))

    model, x = Idle().eval(), images(16)
    groups = find_groups(model, x)
    assert compensate(model, groups, random_mask(groups, 0.3), [x])(x).isfinite().all()


def test_only_networks_on_the_way_are_rounded(monkeypatch):
    model, x = network("Residual"), images(32)
    groups = find_groups(model, x)
    asked = []
    make = NormalEquations.__init__

    def noted(self, *given):
        asked.append(given[2])
        make(self, *given)

    monkeypatch.setattr(NormalEquations, "__init__", noted)
    mask = select(model, groups, [x], budget=Budget(filters_removed=0.5), chunk=0.5, compensation="least_squares")
    assert asked and all(asked)
    asked.clear()
    compensate(model, groups, mask, [x])
    assert asked and not any(asked)
