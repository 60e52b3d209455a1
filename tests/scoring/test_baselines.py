"""Criteria from weights and activations against loops by hand, on every network; what all criteria have in common."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import NETWORKS, centred, images, network
from omegaconf import OmegaConf
from sklearn.metrics import mutual_info_score
from torch import nn

from easiedge.errors import DataError, EasiEdgeError, ModelError
from easiedge.model.filter_groups import find_groups
from easiedge.scoring.activations import binned
from easiedge.scoring.batches import WITHOUT_LABELS
from easiedge.scoring.score import CRITERIA, score

LABELLED = [name for name in CRITERIA if name not in WITHOUT_LABELS]


def example(name, count=6):
    x = images(count)
    model = centred(network(name), x)
    return model, x, find_groups(model, x)


def filters_by_hand(model, group):
    """One flat vector per unit, filter by filter."""
    vectors = []
    for unit in range(group.size):
        pieces = [
            model.get_submodule(layer).weight.detach().double()[channel].flatten()
            for layer in group.layers
            for channel in group.produced(layer)[unit]
        ]
        vectors.append(torch.cat(pieces))
    return vectors


# -- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_geometric_median_equals_a_loop_over_pairs(name):
    model, _, groups = example(name)
    published = score(model, groups, [], "geometric_median", per_weight=False).values
    compared = score(model, groups, [], "geometric_median").values
    for group in groups:
        w = filters_by_hand(model, group)
        sums = torch.stack([sum((a - b).square().sum().sqrt() for b in w) for a in w])
        assert torch.allclose(published[group.name], sums, rtol=1e-6)
        assert torch.allclose(compared[group.name], sums / (group.size - 1) / len(w[0]) ** 0.5, rtol=1e-6)


def test_two_equal_filters_are_the_first_to_go_by_geometric_median():
    model, _, groups = example("Plain")
    with torch.no_grad():
        model.conv2.weight[3] = model.conv2.weight[1] = model.conv2.weight.mean(0)
    assert set(score(model, groups, [], "geometric_median").values["conv2"].argsort()[:2].tolist()) == {1, 3}


@pytest.mark.parametrize("name", NETWORKS)
def test_lamp_equals_a_loop_over_units(name):
    model, _, groups = example(name)
    found = score(model, groups, [], "lamp").values
    for group in groups:
        squares = [float(w.square().sum()) for w in filters_by_hand(model, group)]
        by_hand = [s / sum(t for t in squares if t >= s) for s in squares]
        assert found[group.name].tolist() == pytest.approx(by_hand, rel=1e-9)
        assert float(found[group.name].max()) == pytest.approx(1.0)


def test_lamp_of_equal_and_of_zero_filters():
    model, _, groups = example("Plain")
    nn.init.ones_(model.conv2.weight)
    nn.init.zeros_(model.fc1.weight)
    found = score(model, groups, [], "lamp").values
    assert torch.allclose(found["conv2"], torch.full((5,), 0.2).double()) and not found["fc1"].any()


def test_network_slimming_is_the_mean_scale_of_the_tied_norms():
    model, _, groups = example("Residual")
    with torch.no_grad():
        model.a2_bn.weight *= -1
    found = score(model, groups, [], "network_slimming").values
    (stream,) = [g for g in groups if g.name == "stem"]
    norms = (model.stem_bn, model.a2_bn, model.b1_bn)
    for unit in range(stream.size):
        scales = [
            abs(float(n.weight.detach()[c]))
            for n, layer in zip(norms, stream.layers, strict=True)
            for c in stream.produced(layer)[unit]
        ]
        assert float(found["stem"][unit]) == pytest.approx(sum(scales) / 3)
    assert torch.allclose(found["a1"], model.a1_bn.weight.detach().double())


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(6, affine=False), nn.PReLU(6)])
def test_network_slimming_refuses_units_without_a_scale(norm):
    model = nn.Sequential(nn.Conv2d(2, 6, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 3)).eval()
    with pytest.raises(ModelError, match=r"group '0'.*l2_magnitude"):
        score(model, find_groups(model, images()), [], "network_slimming")
    model, _, groups = example("Plain")
    with pytest.raises(ModelError, match=r"group 'conv2'"):
        score(model, groups, [], "network_slimming")


# -- activations ------------------------------------------------------------------------------------------------------


@torch.no_grad()
def read_by_hand(model, groups, x):
    """For each group and unit, a list over its readers of activations ``[images, channels of the unit, ...]`` (numpy)."""
    seen, hooks = {}, []
    for name, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(lambda m, i, name=name: seen.__setitem__(name, i[0].clone())))
    model(x)
    for hook in hooks:
        hook.remove()
    return {
        g.name: [
            [seen[m.layer][:, m.index[unit]].numpy() for m in g.members if m.axis == "in"] for unit in range(g.size)
        ]
        for g in groups
    }  # every reader in tests/networks.py has its channels along dim 1


def entropy_by_hand(pooled, bins):
    counts, _ = np.histogram(pooled, bins)
    q = counts[counts > 0] / counts.sum()
    return float(-(q * np.log(q)).sum())


def rank_by_hand(a):
    if a.ndim < 4:
        return float(a.any(1).mean())
    return float(np.mean([np.linalg.matrix_rank(a[n, c]) for n in range(a.shape[0]) for c in range(a.shape[1])]))


def pooled_by_hand(a):
    return a.reshape(len(a), -1).mean(1)


def bins_by_hand(pooled, bins):
    inner = np.linspace(pooled.min(), pooled.max(), bins + 1)[1:-1]
    return np.digitize(pooled, inner)


@pytest.mark.parametrize("name", NETWORKS)
def test_activation_criteria_equal_loops_over_units(name):
    model, x, groups = example(name, 40)
    predicted = model(x).argmax(1).numpy()
    references = {
        "apoz": lambda a: 1 - float((a <= 0).mean()),
        "mean_activation": lambda a: float(np.abs(a).mean()),
        "channel_variance": lambda a: float(np.asarray(a, np.float64).var()),
        "hrank": rank_by_hand,
        "activation_entropy": lambda a: entropy_by_hand(pooled_by_hand(a), 32),
        "mutual_information": lambda a: mutual_info_score(predicted, bins_by_hand(pooled_by_hand(a), 16)),
    }
    read = read_by_hand(model, groups, x)
    assert len(set(predicted)) > 1
    for criterion, reference in references.items():
        found = score(model, groups, [x[:25], x[25:]], criterion).values
        for group in groups:
            by_hand = [np.mean([reference(a) for a in readings]) for readings in read[group.name]]
            assert found[group.name].tolist() == pytest.approx(by_hand, rel=1e-5, abs=1e-7), (criterion, group)


@torch.no_grad()
def test_what_readers_read_by_hand():
    """conv1 is read behind norm, ReLU and pool; fc1 reads the whole map of a unit of conv2."""
    model, x, groups = example("Plain")
    first = F.max_pool2d(F.relu(model.bn1(model.conv1(x))), 2)
    second = F.relu(model.conv2(first))
    zeros = score(model, groups, [x], "apoz").values
    means = score(model, groups, [x], "mean_activation").values
    assert torch.allclose(zeros["conv1"], (first != 0).double().mean((0, 2, 3)))
    assert torch.allclose(means["conv1"], first.double().mean((0, 2, 3)))
    assert torch.allclose(zeros["conv2"], (second != 0).double().mean((0, 2, 3)))
    assert torch.allclose(means["conv2"], second.double().mean((0, 2, 3)))


def test_a_layer_that_runs_twice_reads_twice_and_tokens_are_positions():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.head = nn.Linear(8, 5), nn.Linear(5, 5), nn.Linear(5, 3)

        def forward(self, x):
            x = F.relu(self.a(x))
            return self.head(F.relu(self.b(F.relu(self.b(x)))).mean((1, 2)))

    model, x = Twice(), images()
    groups = find_groups(model, x)
    found = score(model, groups, [x], "mean_activation").values
    with torch.no_grad():
        one = F.relu(model.a(x))
        two = F.relu(model.b(one))
        three = F.relu(model.b(two)).mean((1, 2))
    (group,) = groups  # b writes what it reads, so that all is one tie
    means = (one.mean((0, 1, 2)) + two.mean((0, 1, 2)) + three.mean(0)) / 3
    assert torch.allclose(found[group.name].float(), means, rtol=1e-5)
    assert all(bool(torch.isfinite(v).all()) for v in score(model, groups, [x], "hrank").values.values())


def test_a_group_that_nothing_reads_is_an_error():
    model, x, groups = example("Plain")
    alone = replace(groups[0], members=tuple(m for m in groups[0].members if m.axis == "out"))
    for criterion in (
        "apoz",
        "mean_activation",
        "channel_variance",
        "hrank",
        "activation_entropy",
        "mutual_information",
    ):
        with pytest.raises(ModelError, match="group 'conv1': no convolution or linear layer reads it"):
            score(model, [alone], [x], criterion)


def test_bins():
    values = torch.tensor([[0.0, 7.0], [1.0, 7.0], [2.0, 7.0], [4.0, 7.0]])
    assert binned(values, 4).T.tolist() == [[0, 1, 2, 3], [0, 0, 0, 0]]


@pytest.mark.parametrize("criterion", ["activation_entropy", "mutual_information"])
def test_one_bin_is_refused(criterion):
    model, x, groups = example("Plain")
    with pytest.raises(EasiEdgeError, match="bins=1 must be at least 2"):
        score(model, groups, [x], criterion, bins=1)


@pytest.mark.parametrize("criterion", ["mutual_information", "activation_entropy"])
def test_a_unit_that_never_changes_says_nothing(criterion):
    model, x, groups = example("Plain", 20)
    with torch.no_grad():
        model.conv2.weight[2] = 0
        model.conv2.bias[2] = 0.7
    found = score(model, groups, [x], criterion).values["conv2"]
    assert float(found[2]) == 0 < float(found.max())


def test_a_network_that_predicts_one_class_has_no_mutual_information():
    model, x, groups = example("Plain")
    with torch.no_grad():
        model.fc2.bias[1] += 100
    with pytest.raises(DataError, match="predicts class 1 for all 6 images"):
        score(model, groups, [x[:4], x[4:]], "mutual_information")


# -- all criteria -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_criterion_on_every_network_and_on_part_of_its_groups(criterion, name):
    """A unit's score does not depend on which other groups are scored, but for those that cannot help it."""
    model, x, groups = example(name)
    batches = [(x, torch.arange(len(x)) % 3)]
    if criterion == "network_slimming" and name != "Residual":
        with pytest.raises(ModelError, match="no norm with a scale"):
            score(model, groups, batches, criterion)
        return
    whole = score(model, groups, batches, criterion).values
    part = score(model, groups[1:], batches, criterion).values
    assert {n: len(v) for n, v in whole.items()} == {g.name: g.size for g in groups}
    assert all(
        v.dtype == torch.float64 and v.device.type == "cpu" and bool(torch.isfinite(v).all()) for v in whole.values()
    )
    assert max(float(v.max()) for v in whole.values()) > 0
    if criterion not in ("random", "optimal_brain_surgeon"):
        for group in groups[1:]:
            assert torch.allclose(whole[group.name], part[group.name], rtol=1e-4, atol=1e-9)


def test_the_message_about_labels_lists_exactly_the_criteria_without():
    model, x, groups = example("Residual")
    for criterion in CRITERIA:
        if criterion in WITHOUT_LABELS:
            score(model, groups, [x], criterion)
        else:
            with pytest.raises(DataError, match=f"{criterion}.*{', '.join(WITHOUT_LABELS)}"):
                score(model, groups, [x], criterion)
    assert set(WITHOUT_LABELS) < set(CRITERIA)


@pytest.mark.parametrize("criterion", LABELLED)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2, 3], "classes do not match: the labels run from 0 to 3, the network has 3 classes"),
        ([0, -1, 2, 1], "classes do not match: the labels run from -1 to 2"),
        ([0.0, 1.0, 2.0, 1.0], "one class number for each of the 4 images"),
        ([0, 1, 2], "one class number for each of the 4 images"),
    ],
)
def test_labels_that_do_not_fit_the_network(criterion, labels, message):
    model, x, groups = example("Plain", 4)
    with pytest.raises(DataError, match=message):
        score(model, groups, [(x, torch.tensor(labels))], criterion)
    assert all(p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_every_criterion_has_a_configuration_that_it_accepts():
    folder = Path(__file__).parents[2] / "conf"
    fit = OmegaConf.load(folder / "compensation" / "least_squares.yaml")
    files = {
        f.stem: OmegaConf.create({"compensation": fit, "seed": 0, "scoring": OmegaConf.load(f)}).scoring
        for f in (folder / "scoring").glob("*.yaml")
    }
    assert set(files) == set(CRITERIA)
    for name, file in files.items():
        assert file.criterion == name and set(file) - {"first_order"} == {"criterion", "options", "chunk"}
        options = {k: v for k, v in OmegaConf.to_container(file.options, resolve=True).items() if k != "seed"}
        model, x, groups = example("Residual")
        score(model, groups, [(x, torch.arange(len(x)) % 3)], name, **options)
