"""Taylor 2017, Optimal Brain Damage and Optimal Brain Surgeon against autograd image by image and direct minimisation."""

import pytest
import torch
import torch.nn.functional as F
from networks import NETWORKS, images, network
from torch import nn

from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.filter_groups import find_groups
from easiedge.model.gates import gated
from easiedge.scoring import weight_gradients
from easiedge.scoring.joint_information_gain import joint_information_gain
from easiedge.scoring.score import score


def flat(scores, groups):
    return torch.cat([scores.values[g.name] for g in groups])


@pytest.mark.parametrize("name", ["Plain", "Residual", "Grouped"])
def test_taylor_2017_equals_autograd_image_by_image(name):
    model, x, y = network(name), images(3), torch.tensor([0, 2, 1])
    groups = find_groups(model, x)
    found = score(model, groups, [(x[:2], y[:2]), (x[2:], y[2:])], "taylor_2017").values
    absolute = []
    for i in range(3):
        gates = torch.ones(1, sum(g.size for g in groups), requires_grad=True)
        with gated(model, groups, gates):
            F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
        absolute.append(gates.grad[0].double().abs())
    for part, group in zip(torch.stack(absolute).mean(0).split([g.size for g in groups]), groups, strict=True):
        assert torch.allclose(found[group.name], part / part.square().sum().sqrt(), rtol=1e-3, atol=1e-6)


def test_taylor_2017_is_activation_times_gradient_summed_over_the_map():
    model, x, y = network("Plain"), images(3), torch.tensor([0, 2, 1])
    groups = find_groups(model, x)
    found = score(model, groups, [(x, y)], "taylor_2017").values["conv1"]
    kept = []
    hook = model.bn1.register_forward_hook(lambda m, i, out: kept.append(out))
    loss = F.cross_entropy(model(x), y, reduction="sum")
    hook.remove()
    (gradient,) = torch.autograd.grad(loss, kept[0])
    by_hand = (kept[0] * gradient).sum((2, 3)).abs().mean(0).double().detach()
    assert torch.allclose(found, by_hand / by_hand.norm(), rtol=1e-4)


def test_taylor_2017_of_a_group_without_gradient_is_zero():
    model, x, y = network("Plain"), images(3), torch.tensor([0, 2, 1])
    nn.init.zeros_(model.fc2.weight)
    assert not flat(score(model, find_groups(model, x), [(x, y)], "taylor_2017"), find_groups(model, x)).any()


# -- Optimal Brain Damage -----------------------------------------------------------------------------------------------


class Ties(nn.Module):
    """What tests/networks.py does not have: PReLU, a reused layer, 1-d and strided depthwise convolutions, odd padding, tokens."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding="same", padding_mode="reflect")
        self.norm = nn.InstanceNorm2d(4, affine=True)
        self.slope = nn.PReLU(4)
        self.depthwise = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=4)
        self.again = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.line = nn.Conv1d(8, 5, 3, padding=1)
        self.tokens = nn.Linear(5, 6)
        self.head = nn.Linear(6, 3)
        with torch.no_grad():
            self.norm.weight += 0.3 * torch.randn(4)
            self.norm.bias += 0.3 * torch.randn(4)
            self.slope.weight += 0.1 * torch.randn(4)

    def forward(self, x):
        x = self.depthwise(self.slope(self.norm(self.first(x))))
        x = torch.tanh(self.again(F.relu(self.again(x))))
        x = torch.relu_(self.line(x.flatten(2)))
        return self.head(torch.relu(self.tokens(x.transpose(1, 2))).mean(1))


def damage_by_hand(model, groups, x):
    """``0.5 sum w^2 mean_n sum_c p_c (d ln p_c / dw)^2`` with the weights themselves differentiated, one image and class at a time."""
    names = {id(p): n for n, p in model.named_parameters()}
    h = {n: torch.zeros_like(p, dtype=torch.float64) for n, p in model.named_parameters()}
    for image in x:
        logp = model(image[None]).log_softmax(1)[0]
        for c in range(len(logp)):
            gradients = torch.autograd.grad(logp[c], list(model.parameters()), retain_graph=True)
            for n, g in zip(h, gradients, strict=True):
                h[n] += logp[c].exp().detach().double() * g.double() ** 2 / len(x)
    found = []
    for group in groups:
        for unit in range(group.size):
            total = 0.0
            for m in group.members:
                if m.axis == "out":
                    for p in model.get_submodule(m.layer).parameters(recurse=False):
                        for channel in m.index[unit]:
                            w = p.detach().double()[channel]
                            total += 0.5 * float((h[names[id(p)]][channel] * w**2).sum())
            found.append(total)
    return found


@pytest.mark.parametrize("name", [*NETWORKS, "Ties"])
def test_optimal_brain_damage_equals_autograd_by_the_weights(name):
    torch.manual_seed(1)
    model, x = (Ties().eval() if name == "Ties" else network(name)).double(), images(3).double()
    groups = find_groups(model, x)
    found = flat(score(model, groups, [x[:2], x[2:]], "optimal_brain_damage", probe="exact"), groups)
    # the probes are drawn from probabilities in float32
    assert found.tolist() == pytest.approx(damage_by_hand(model, groups, x), rel=1e-5, abs=1e-14)


@pytest.mark.parametrize("few", [0, 10_000])
@pytest.mark.parametrize("piece", [1, 2**20])
@pytest.mark.parametrize("floats", [1, 2**24])
def test_damage_does_not_depend_on_how_the_work_is_cut(few, piece, floats, monkeypatch):
    model, x = network("Grouped").double(), images(7).double()
    groups = find_groups(model, x)
    whole = flat(score(model, groups, [x], "optimal_brain_damage"), groups)
    for name, value in (("FEW", few), ("PIECE", piece), ("FLOATS", floats)):
        monkeypatch.setattr(weight_gradients, name, value)
    cut = flat(score(model, groups, [x[:3], x[3:]], "optimal_brain_damage"), groups)
    assert torch.allclose(whole, cut, rtol=1e-5)


def test_damage_of_a_sketch_is_unbiased():
    """Mean of 300 sketches within 5 standard errors of the exact damage for all 18 units; the seeds are fixed."""
    model, x = network("Plain").double(), images(3).double()
    groups = find_groups(model, x)
    exact = flat(score(model, groups, [x], "optimal_brain_damage", probe="exact"), groups)
    draws = torch.stack([flat(score(model, groups, [x], "optimal_brain_damage", seed=s), groups) for s in range(300)])
    error = (draws.mean(0) - exact).abs() / (draws.std(0) / len(draws) ** 0.5).clamp_min(1e-15)
    assert float(error.max()) < 5


def test_an_input_that_is_changed_after_it_was_read_is_an_error():
    class Changing(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.head = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)

        def forward(self, x):
            x = self.a(x)
            y = self.b(x)
            return self.head((y + x.relu_()).mean((2, 3)))

    model, x = Changing().eval(), images()
    groups = find_groups(model, x)
    with pytest.raises(ModelError, match="input of layer 'b' is changed in place"):
        score(model, groups, [x], "optimal_brain_damage")
    assert not any(m._forward_hooks for m in model.modules()) and all(p.requires_grad for p in model.parameters())


# -- Optimal Brain Surgeon ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matrix_limit", [0, 12_000])
@pytest.mark.parametrize("damping", [1e-3, 0.1])
def test_optimal_brain_surgeon_is_the_constrained_minimum(matrix_limit, damping):
    """Gate i goes to -1, all others go where the damped quadratic is least."""
    model, x = network("Concatenation"), images(12)
    groups = find_groups(model, x)
    found = flat(score(model, groups, [x], "optimal_brain_surgeon", damping=damping, matrix_limit=matrix_limit), groups)
    F_ = joint_information_gain(model, groups, [x]).interaction.fisher.double()
    H = F_ + damping * F_.diagonal().mean() * torch.eye(len(F_)).double()
    for i in range(len(H)):
        others = [j for j in range(len(H)) if j != i]
        d = -torch.ones(len(H)).double()
        d[others] = torch.linalg.solve(H[others][:, others], H[others, i])
        assert float(found[i]) == pytest.approx(float(0.5 * d @ H @ d), rel=1e-3)
        for _ in range(3):  # no other readjustment is better
            e = d + 0.1 * torch.randn(len(H)).double()
            e[i] = -1
            assert float(0.5 * e @ H @ e) > float(found[i]) * (1 - 1e-3)


def test_both_storage_forms_give_the_same_readjusted_loss():
    model, x = network("Residual"), images(12)
    groups = find_groups(model, x)
    matrix, rows = (
        flat(score(model, groups, [x], "optimal_brain_surgeon", matrix_limit=n), groups) for n in (12_000, 0)
    )
    assert torch.allclose(matrix, rows, rtol=1e-4)


def test_a_duplicate_can_be_made_up_for():
    """Two equal units of fc1: each alone costs as much as before, but nothing once the other is readjusted."""
    model, x = network("Plain"), images(12)
    with torch.no_grad():
        model.fc1.weight[1], model.fc1.bias[1] = model.fc1.weight[0], model.fc1.bias[0]
        model.fc2.weight[:, 1] = model.fc2.weight[:, 0]
    (group,) = [g for g in find_groups(model, x) if g.name == "fc1"]
    alone = score(model, [group], [x], "taylor_information_gain", passes=2).values["fc1"]
    readjusted = score(model, [group], [x], "optimal_brain_surgeon", damping=1e-6).values["fc1"]
    assert float(readjusted[:2].max()) < 1e-4 * float(alone[:2].min())


def test_surgeon_of_a_constant_network_and_without_damping():
    model, x = network("Plain"), images(4)
    groups = find_groups(model, x)
    with pytest.raises(EasiEdgeError, match="damping=0 must be positive"):
        score(model, groups, [x], "optimal_brain_surgeon", damping=0)
    nn.init.zeros_(model.fc2.weight)
    assert not flat(score(model, groups, [x], "optimal_brain_surgeon"), groups).any()
