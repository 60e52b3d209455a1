"""Faults that a review found, each with the network that showed it."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from networks import Small, images, network, random_mask
from torch import nn

import easiedge
from easiedge.deploy.artifact import load, save
from easiedge.errors import EasiEdgeError, EquivalenceError, ModelError
from easiedge.model.cost import network_cost
from easiedge.model.count import count
from easiedge.model.filter_groups import find_groups
from easiedge.model.gates import masked
from easiedge.projection.budget import limits
from easiedge.projection.floors import Floors
from easiedge.schedule.selection import Selection
from easiedge.surgery.compensate import Compensation
from easiedge.surgery.equivalence import prove_equivalence
from easiedge.surgery.select import select
from easiedge.surgery.shrink import shrink
from easiedge.unit import Budget, FilterMask


def equal_after_shrinking(model, x):
    groups = find_groups(model, x)
    for seed in range(3):
        mask = random_mask(groups, 0.5, seed)
        compact = shrink(model, groups, mask, x)
        with masked(model, groups, mask), torch.no_grad():
            assert torch.allclose(model(x), compact(x), rtol=1e-4, atol=1e-5)
    return groups


def test_the_proof_refuses_outputs_that_are_not_finite():
    model = Small().eval()
    groups = find_groups(model, images())
    full = FilterMask.full(groups)
    broken = shrink(model, groups, full, images())
    with torch.no_grad():
        broken.h.weight[0, 0] = float("nan")
    with pytest.raises(EquivalenceError, match="not finite"):
        prove_equivalence(model, groups, full, broken, [images()])


def test_functional_dropout_is_off_in_a_network_shrunk_in_eval_mode():
    class Dropped(Small):
        def forward(self, x):
            return self.h(F.dropout(F.relu(self.b(F.relu(self.a(x)))).mean((2, 3)), 0.5, self.training))

    model = Dropped().eval()
    groups = find_groups(model, images())
    compact = shrink(model, groups, FilterMask.full(groups), images())
    assert torch.equal(compact(images()), compact(images()))


@pytest.mark.parametrize("criterion", ["information_gain", "squared_taylor", "l2_magnitude", "random"])
def test_every_criterion_selects_in_chunks(criterion):
    model, x = network("Plain"), images(8)
    groups = find_groups(model, x)
    batches = [(x, torch.arange(8) % 3)]
    mask = select(model, groups, batches, budget=Budget(filters_removed=0.5), criterion=criterion, chunk=0.25)
    assert mask.share_removed() == pytest.approx(0.5, abs=1 / 18)


@dataclass
class Answer:
    """As the networks of other libraries answer."""

    logits: torch.Tensor


class WithLogits(Small):
    """Its output is an object that holds the logits."""

    def forward(self, x):
        return Answer(logits=super().forward(x))


@pytest.mark.parametrize("compensation", [None, "least_squares"])
def test_selection_by_turns_leaves_the_images_alone(compensation):
    class InPlace(Small):
        def forward(self, x):
            return super().forward(x.sub_(0.5))

    torch.manual_seed(0)
    model, x = InPlace().eval(), images(16)
    before = x.clone()
    select(model, find_groups(model, x), [x], budget=Budget(filters_removed=0.5), chunk=0.2, compensation=compensation)
    assert torch.equal(x, before)


def test_selection_by_turns_takes_outputs_with_logits():
    torch.manual_seed(0)
    model, x = WithLogits().eval(), images(16)
    groups = find_groups(model, x)
    mask = select(model, groups, [x], budget=Budget(filters_removed=0.5), chunk=0.2)
    assert sum(mask.kept().values()) == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ridge": 0}, "ridge=0 must be a positive number"),
        ({"ridge": -1.0}, "ridge=-1.0 must be"),
        ({"positions": 0}, "positions=0 must be a whole number"),
        ({"positions": 2.5}, "positions=2.5 must be a whole number"),
    ],
)
def test_a_refit_that_means_nothing_is_refused(change, message):
    model, x = network("Plain"), images(8)
    groups = find_groups(model, x)
    with pytest.raises(EasiEdgeError, match=message):
        easiedge.compensate(model, groups, random_mask(groups, 0.4), [x], **change)
    with pytest.raises(EasiEdgeError, match=message):
        Selection(**change)


def test_images_and_activations_that_are_not_finite_are_named():
    model, x = network("Plain"), images(8)
    groups, bad = find_groups(model, x), images(8)
    bad[3, 0, 0, 0] = float("nan")
    with pytest.raises(EasiEdgeError, match="batch 1: it holds values that are not finite"):
        easiedge.compensate(model, groups, random_mask(groups, 0.4), [x, bad])
    model.conv1.weight.data[0, 0, 0, 0] = float("inf")
    with pytest.raises(EasiEdgeError, match="not finite"):
        easiedge.compensate(model, groups, random_mask(groups, 0.4), [x])


def test_networks_in_bfloat16_are_refitted():
    model, x = network("Residual"), images(32)
    groups = find_groups(model, x)
    mask = random_mask(groups, 0.4)
    wanted = easiedge.compensate(model, groups, mask, [x])
    found = easiedge.compensate(model.bfloat16(), groups, mask, [x.bfloat16()])
    with masked(wanted, groups, mask), masked(found, groups, mask), torch.no_grad():
        a, b = wanted(x), found(x.bfloat16()).float()
    assert float((a - b).norm() / a.norm()) < 0.1


def test_compensation_passes_default_arguments_and_leaves_the_images_alone():
    class Scaled(Small):
        def forward(self, x, scale=0.5):
            return super().forward(x.mul_(scale))

    class Fixed(Small):
        def forward(self, x):
            return super().forward(x * 0.5)

    scaled, fixed = Scaled().eval(), Fixed().eval()
    scaled.load_state_dict(fixed.state_dict())
    results = []
    for model in (scaled, fixed):
        x = images(32)
        before = x.clone()
        groups = find_groups(model, x)
        compact = Compensation(model, groups, [x]).compensated(random_mask(groups, 0.4))[1]
        assert torch.equal(x, before)
        results.append(compact(images(4)))
    assert torch.allclose(*results, atol=1e-5)


@pytest.mark.parametrize("persistent", [True, False])
def test_a_per_channel_buffer_is_pruned_trained_around_and_saved(persistent, tmp_path):
    class Buffered(Small):
        def __init__(self):
            super().__init__()
            self.register_buffer("gain", torch.rand(8, 1, 1) + 0.5, persistent=persistent)

        def forward(self, x):
            return self.h(F.relu(self.b(F.relu(self.a(x)) * self.gain)).mean((2, 3)))

    model, batches = Buffered().eval(), [(images(8), torch.arange(8) % 3)]
    compact = easiedge.prune(
        model, batches, batches, budget=Budget(filters_removed=0.5), epochs=0, calibration_images=8, progress=False
    )
    save(compact, tmp_path)
    assert torch.equal(load(tmp_path)(images()), compact(images()))


def test_layers_that_share_a_parameter_are_not_pruned():
    class Tied(Small):
        def __init__(self):
            super().__init__()
            self.c = nn.Conv2d(8, 8, 3, padding=1)
            self.c.weight = self.b.weight
            self.last = nn.Conv2d(8, 5, 1)
            self.h = nn.Linear(5, 3)

        def forward(self, x):
            x = F.relu(self.c(F.relu(self.b(F.relu(self.a(x))))))
            return self.h(F.relu(self.last(x)).mean((2, 3)))

    model, x = Tied().eval(), images()
    assert [g.name for g in equal_after_shrinking(model, x)] == ["last"]


def test_functions_count_as_layers_do():
    class Functional(Small):
        def forward(self, x):
            x = F.relu(F.conv2d(x, self.a.weight, self.a.bias, padding=1))
            x = F.relu(F.conv2d(x, self.b.weight, self.b.bias, padding=1)).mean((2, 3))
            return F.linear(x, self.h.weight, self.h.bias)

    layered = Small()
    assert count(Functional(), images())["macs"] == count(layered, images())["macs"]
    upsample = nn.Sequential(nn.ConvTranspose2d(2, 4, 2, stride=2))
    assert count(upsample, images())["macs"] == 2 * 4 * 4 * 64


def test_half_precision_networks_survive_a_round_trip(tmp_path):
    model = network("Residual").bfloat16()
    save(model, tmp_path)
    x = images().bfloat16()
    assert torch.equal(load(tmp_path)(x), model(x))


class Reshaped(Small):
    def __init__(self):
        super().__init__()
        self.h = nn.Linear(8 * 64, 3)

    def forward(self, x):
        return self.h(torch.reshape(F.relu(self.b(F.relu(self.a(x)))), shape=(-1, 512)))


class KeywordConstant(Small):
    def forward(self, x):
        return self.h(F.relu(self.b(torch.add(F.relu(self.a(x)), other=1.0))).mean((2, 3)))


class PaddedWithOnes(Small):
    def forward(self, x):
        return self.h(F.relu(self.b(F.pad(F.relu(self.a(x)), (1, 1, 1, 1), value=1.0))).mean((2, 3)))


class Indexed(Small):
    def __init__(self):
        super().__init__()
        self.register_buffer("index", torch.tensor([3, 1, 2, 0, 7, 6, 5, 4]))

    def forward(self, x):
        return self.h(F.relu(self.b(F.relu(self.a(x))[:, self.index])).mean((2, 3)))


@pytest.mark.parametrize("build", [Reshaped, KeywordConstant, PaddedWithOnes, Indexed])
def test_other_ways_to_write_a_forward(build):
    assert "b" in {g.name for g in equal_after_shrinking(build().eval(), images())}


def test_weights_computed_before_each_forward_are_refused():
    model = Small()
    torch.nn.utils.prune.random_unstructured(model.a, "weight", 0.5)
    with pytest.raises(ModelError, match="'a' computes its weight anew"):
        find_groups(model, images())


def test_an_optional_argument_that_tracing_takes_for_given_is_explained():
    class Optional(Small):
        def forward(self, x, mask=None):
            x = super().forward(x)
            return x * mask if mask is not None else x

    with pytest.raises(ModelError, match="does not run on the example inputs"):
        find_groups(Optional(), images())


@pytest.mark.parametrize("criterion", ["l1_magnitude", "joint_information_gain", "random"])
@pytest.mark.parametrize("what", ["params_removed", "macs_removed"])
@pytest.mark.parametrize("share", [0.3, 0.72])
def test_choosing_in_chunks_wastes_no_unit_either(criterion, what, share):
    model, x = network("Plain"), images(8)
    groups = find_groups(model, x)
    budget = Budget(**{what: share})
    mask = select(model, groups, [x], budget=budget, criterion=criterion, chunk=0.1)
    bounds = limits(budget, groups, network_cost(model, groups, x), Floors())
    kept = torch.tensor([float(mask.kept()[g.name]) for g in groups]).double().numpy()
    assert bounds.met(kept)
    for i in range(len(groups)):
        if kept[i] < groups[i].size:
            more = kept.copy()
            more[i] += 1
            assert not bounds.met(more)


def test_scoring_works_under_inference_mode():
    model = network("Plain")
    with torch.inference_mode():
        groups = find_groups(model, images())
        assert easiedge.score(model, groups, [images()], "taylor_information_gain").values["conv1"].sum() > 0
