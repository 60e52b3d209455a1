"""Training in two processes takes the steps of training in one: whole batches, uneven ones, batch norm, penalties, losses that are not finite."""

import copy

import pytest
import torch
import torch.nn.functional as F
from several_networks import batches, classifier, group
from torch import nn

from easiedge.errors import DataError, NotFiniteError
from easiedge.processes import rank, world_size
from easiedge.training.admm_callback import ADMMCallback
from easiedge.training.best_epoch import snapshot
from easiedge.training.evaluate import logits
from easiedge.training.fit import fit
from easiedge.training.parts import own_part_of, share_of
from easiedge.training.precision import Precision
from easiedge.training.recipe import Recipe
from easiedge.training.stages import Stages
from easiedge.training.whole_batch_norm import whole_batch_norm
from easiedge.unit import FilterMask

DOUBLE = Precision("64-true", True, "to compare sums in another order")
RECIPE = Recipe(epochs=3, lr=0.05, gradient_clip=1.0, label_smoothing=0.1, weight_decay=1e-2)


def largest_difference(one, other):
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def trained(sizes, normed, options=None):
    network, data = classifier(normed).double(), batches(sizes)
    tutor = classifier(normed, seed=9).double()
    result = fit(
        network, data, batches((7,), seed=5), RECIPE, precision=DOUBLE, seed=1, progress=False, tutor=tutor, trainer_options=options
    )  # fmt: skip
    return snapshot(network), result.history, result.best_epoch


@pytest.mark.parametrize(
    ("sizes", "normed", "options"),
    [((6, 8, 5), True, None), ((9, 2), True, None), ((5, 1), False, None), ((4, 6, 8, 3), True, {"accumulate_grad_batches": 2})],
    ids=["uneven last batch", "one image each", "an image for one of the two", "two batches a step"],
)  # fmt: skip
def test_as_in_one(two, sizes, normed, options):
    weights, history, best = trained(sizes, normed, options)
    (first, first_history, first_best), (second, second_history, _) = two(trained, sizes, normed, options)
    assert all(torch.equal(first[name], second[name]) for name in first) and first_history == second_history
    assert largest_difference(weights, first) < 1e-11 and best == first_best
    for one, other in zip(history, first_history, strict=True):
        assert one == pytest.approx(other, rel=1e-6)  # Lightning keeps figures in float32
        assert one["val_accuracy"] == other["val_accuracy"]


def penalised():
    network = classifier(True).double()

    def choose(net):
        keep = net[0].weight.detach().flatten(1).norm(dim=1)
        return FilterMask(
            {"0": keep > keep.median() if rank() == 0 else keep < 0}
        )  # what the second says does not count

    callback = ADMMCallback(
        [group()], choose, network=network, rho=0.5, masked_accuracy=lambda net, mask: float(rank())
    )
    recipe = Recipe(epochs=3, lr=0.05)
    fit(
        network,
        batches((6, 7)),
        None,
        recipe,
        callbacks=[callback],
        precision=DOUBLE,
        seed=1,
        progress=False,
        best=False,
    )
    return snapshot(network), callback.records, callback.mask.keep["0"]


def test_admm_as_in_one(two):
    weights, records, mask = penalised()
    (first, first_records, first_mask), (second, second_records, second_mask) = two(penalised)
    assert all(torch.equal(first[name], second[name]) for name in first) and first_records == second_records
    assert torch.equal(mask, first_mask) and torch.equal(mask, second_mask)
    assert largest_difference(weights, first) < 1e-11
    for one, other in zip(records, first_records, strict=True):
        assert one == pytest.approx(other, rel=1e-9)


class Bursts:
    """Batches of which the last image, the second process's, is no number: in the second epoch, ``times`` times."""

    def __init__(self, times):
        self.batches, self.epoch, self.left = batches((6, 7), dtype=torch.float32), 0, times

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        for number, (inputs, targets) in enumerate(self.batches):
            if self.epoch == 1 and number == 1 and self.left:
                self.left -= 1
                inputs = inputs.clone()
                inputs[-1] = float("nan")
            yield inputs, targets
        self.epoch += 1


def backed_off(times):
    network, recipes = classifier(True), {"finetune": Recipe(epochs=3, lr=0.05)}
    stages = Stages(Bursts(times), batches((7,), 5, torch.float32), recipes, precision="32-true", progress=False)
    try:
        rates = [epoch["lr"] for epoch in stages.train(network).history]
    except NotFiniteError as error:
        return str(error), snapshot(network)
    return rates, snapshot(network)


def test_a_loss_that_is_not_finite_in_one_is_so_in_both(two):
    rates, weights = backed_off(1)
    (first, ours), (second, theirs) = two(backed_off, 1)
    assert first == second == rates and len(rates) == 3 and rates[1] < rates[0]
    assert all(torch.equal(ours[name], theirs[name]) for name in ours) and largest_difference(weights, ours) < 1e-4
    (first, ours), (second, theirs) = two(backed_off, 2)
    assert first == second and "was not finite" in first
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def normalised(absent):
    """Outputs and gradients of batch norm on the own part of a batch; with ``absent`` the second process counts nowhere."""
    torch.manual_seed(0)
    norm, data = nn.BatchNorm2d(3).double(), torch.randn(7, 3, 2, 2, dtype=torch.float64) * 2 + 1
    nn.init.normal_(norm.weight)
    weights = torch.randn_like(data)
    part = slice(None) if world_size() == 1 else slice(0, 4) if rank() == 0 else slice(4, 7)
    x = data[part].clone().requires_grad_()
    present = not (absent and rank() == 1)
    with whole_batch_norm(present):
        y = norm(x)
    (y.square() * weights[part] * present).sum().backward()
    return y.detach(), x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var


def test_batch_norm_over_both(two):
    whole = normalised(False)
    first, second = two(normalised, False)
    for number in (0, 1):
        assert torch.allclose(torch.cat([first[number], second[number]]), whole[number], rtol=1e-12, atol=1e-12)
    for number in (2, 3):
        assert torch.allclose(first[number] + second[number], whole[number], rtol=1e-12, atol=1e-12)
    for number in (4, 5):
        assert torch.equal(first[number], second[number]) and torch.allclose(first[number], whole[number], rtol=1e-12)


def test_images_that_count_nowhere_change_nothing(two):
    first, second = two(normalised, True)
    torch.manual_seed(0)
    norm, data = nn.BatchNorm2d(3).double(), torch.randn(7, 3, 2, 2, dtype=torch.float64) * 2 + 1
    nn.init.normal_(norm.weight)
    x = data[:4].clone().requires_grad_()
    y = norm(x)
    (y.square() * torch.randn_like(data)[:4]).sum().backward()
    for number, expected in enumerate(
        (y.detach(), x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var)
    ):
        assert torch.allclose(first[number], expected, rtol=1e-12, atol=1e-12)
    assert not second[1].any() and not second[2].any() and not second[3].any()


def parts():
    return [
        (batch[0].tolist(), share_of(batch))
        for batch in map(own_part_of, [(torch.arange(n), torch.arange(n)) for n in (5, 1)])
    ]


def test_parts_of_batches(two):
    assert two(parts) == [[([0, 1], (2, 5)), ([0], (0, 1))], [([2, 3, 4], (3, 5)), ([0], (1, 1))]]
    assert parts() == [([0, 1, 2, 3, 4], (5, 5)), ([0], (1, 1))]


def refused():
    loader = torch.utils.data.DataLoader(batches((4,))[0][0], 2)
    try:
        fit(classifier(True), loader, None, RECIPE, progress=False)
    except DataError as error:
        return str(error)
    return None


def test_batches_that_may_differ_are_refused(two):
    assert all("the same in each" in said for said in two(refused))


def test_whole_batch_norm_leaves_one_process_alone():
    x, norm = torch.randn(4, 3, 2, 2), nn.BatchNorm2d(3)
    other = copy.deepcopy(norm)
    with whole_batch_norm():
        assert torch.equal(
            norm(x), F.batch_norm(x, other.running_mean, other.running_var, other.weight, other.bias, True)
        )


def test_outputs_do_not_depend_on_the_process(two):
    first, second = two(evaluated)
    assert torch.equal(first, second)


def evaluated():
    return logits(classifier(True), batches((7,), 5, torch.float32))
