"""Layer-wise relevance propagation: conservation, and a propagation by hand with explicit matrices."""

import pytest
import torch
import torch.nn.functional as F
from networks import NETWORKS, images, network
from torch import nn

from easiedge.model.filter_groups import find_groups
from easiedge.scoring.relevance import relevance_network, shared
from easiedge.scoring.score import score


class WithoutBias(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 8, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(8, 9, 3, stride=2, padding=1, bias=False)
        self.fc1, self.fc2 = nn.Linear(9 * 4, 10, bias=False), nn.Linear(10, 3, bias=False)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        return self.fc2(F.relu(self.fc1(torch.flatten(F.relu(self.conv2(x)), 1))))


@pytest.mark.parametrize("label", [0, 1, 2])
def test_relevance_is_conserved_from_layer_to_layer(label):
    """Every layer of a plain ReLU network hands on the logit, no more and no less."""
    torch.manual_seed(3)
    model, x = WithoutBias().double().eval(), images(5).double()
    groups = find_groups(model, x)
    for image in x:
        logit = abs(float(model(image[None])[0, label].detach()))
        values = score(model, groups, [(image[None], torch.tensor([label]))], "layer_wise_relevance").values
        assert logit > 1e-3
        for value in values.values():
            assert float(value.sum()) == pytest.approx(logit, rel=1e-4)  # all of a sign: the signs survive every rule


def positive_step(x, y, matrix, relevance):
    """The z+ rule of ``y = matrix x + bias``, entry by entry of ``matrix``, in vectors."""
    contributions = matrix * x[None]
    positive = contributions.clamp(min=0)
    total = positive.sum(1)
    shares = torch.where(total[:, None] > 0, positive / total[:, None].clamp(min=1e-300), 0.0)
    return shares.T @ relevance


def as_matrix(layer, shape):
    """A convolution without its bias as a matrix ``[outputs, inputs]``: one column for each entry of its input."""
    size = int(torch.tensor(shape).prod())
    columns = [
        layer(torch.eye(size).double()[i].reshape(1, *shape)) - layer(torch.zeros(1, *shape).double())
        for i in range(size)
    ]
    return torch.stack([c.flatten() for c in columns], 1)


@torch.no_grad()
def relevances_by_hand(model, image, label):
    """Plain: relevance of every unit of conv1, conv2 and fc1, one image."""
    normed = model.bn1(model.conv1(image[None]))
    active = F.relu(normed)
    pooled, winners = F.max_pool2d(active, 2, return_indices=True)
    second = model.conv2(pooled)
    flat = F.relu(second).flatten()
    hidden = model.fc1(flat)
    logits = model.fc2(F.relu(hidden))
    start = torch.zeros(3).double()
    start[label] = logits[label]
    at_hidden = positive_step(F.relu(hidden), logits, model.fc2.weight, start)
    at_flat = positive_step(flat, hidden, model.fc1.weight, at_hidden)
    at_pooled = positive_step(pooled.flatten(), second.flatten(), as_matrix(model.conv2, (6, 4, 4)), at_flat)
    at_normed = torch.zeros(6, 64).double()
    at_normed.scatter_add_(1, winners[0].flatten(1), at_pooled.reshape(6, 16))
    return {"conv1": at_normed.sum(1), "conv2": at_flat.reshape(5, 16).sum(1), "fc1": at_hidden}


def test_relevance_equals_a_propagation_by_hand():
    model, x, y = network("Plain").double(), images(6).double(), torch.tensor([0, 2, 1, 1, 0, 2])
    found = score(model, find_groups(model, x), [(x[:4], y[:4]), (x[4:], y[4:])], "layer_wise_relevance").values
    by_hand = [relevances_by_hand(model, image, int(label)) for image, label in zip(x, y, strict=True)]
    for name, value in found.items():
        expected = torch.stack([r[name].abs() for r in by_hand]).mean(0)
        assert torch.allclose(value, expected, rtol=1e-4, atol=1e-9)
        assert float(expected.max()) > 1e-3


@torch.no_grad()
def test_norms_hand_their_relevance_on_through_any_shift():
    """A unit of conv1 in front of a norm: what arrives behind the norm arrives before it, so conv0 gets all of it."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 7, 1), nn.ReLU(), nn.Conv2d(7, 5, 1), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(320, 3)
    )
    model[3].bias.copy_(torch.randn(5))
    model, x = model.double().eval(), images(1).double()
    values = score(model, find_groups(model, x), [(x, torch.tensor([1]))], "layer_wise_relevance").values
    assert float(values["0"].sum()) == pytest.approx(float(values["2"].sum()), rel=1e-3)
    assert float(values["2"].sum()) == pytest.approx(abs(float(model(x)[0, 1])), rel=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rules_keep_the_values_and_leave_the_network_alone(name):
    model, x = network(name), images()
    with relevance_network(model) as changed:
        assert torch.allclose(changed(x), model(x), atol=1e-6)
    assert not any(m._forward_hooks for m in model.modules())


class InPlace(nn.Module):
    """Operations in place, of which later layers see the result, beside the same without."""

    def __init__(self, inplace):
        super().__init__()
        self.a, self.b, self.c, self.head = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 5, 1), nn.Linear(5, 3)
        self.act, self.inplace = nn.Hardswish(inplace=inplace), inplace

    def forward(self, x):
        x = self.a(x)
        active = self.act(x)
        y = self.b(active) + (x if self.inplace else active)
        z = self.c(y)
        active = F.silu(z, inplace=self.inplace)
        product = torch.sigmoid(z if self.inplace else active) * active
        return self.head(product.mean((2, 3)))


def test_operations_in_place_get_the_same_relevance():
    torch.manual_seed(0)
    models = {flag: InPlace(flag).eval() for flag in (True, False)}
    models[False].load_state_dict(models[True].state_dict())
    x, y = images(6), torch.arange(6) % 3
    found = [score(m, find_groups(m, x), [(x, y)], "layer_wise_relevance").values for m in models.values()]
    assert models[True].act.inplace
    for name, value in found[0].items():
        assert torch.allclose(value, found[1][name], rtol=1e-4)
        assert float(value.max()) > 0


def test_factors_share_relevance_equally():
    a, b = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 3, 1, requires_grad=True)
    y = shared(a * b, [a, b])
    upstream = torch.randn(2, 3, 4)
    ga, gb = torch.autograd.grad(y, [a, b], upstream)
    assert torch.equal(y, a * b)
    assert torch.allclose(a * ga, 0.5 * y * upstream, rtol=1e-4)
    assert torch.allclose(b * gb, 0.5 * (y * upstream).sum(2, keepdim=True), rtol=1e-3, atol=1e-6)


def test_values_that_are_zero_give_finite_gradients():
    x = torch.zeros(3, requires_grad=True)
    (gradient,) = torch.autograd.grad(shared(F.relu(x), [x]).sum(), x)
    assert bool(torch.isfinite(gradient).all())
