"""Thresholds and digits go as far as accuracy allows and no further; what is left is stored small and exact."""

import copy

import pytest
import torch
from safetensors.torch import save_file
from tiny_task import start, training
from torch import nn

from easiedge.model.tiny import nn1
from easiedge.search.lean_training import Quality
from easiedge.search.tq import TqRequest, tq, under, with_digits, zeros_of
from easiedge.search.tq_storage import halved, store
from easiedge.weights.sparse_file import load_sparse


def weights(*values):
    net = nn.Sequential(nn.Flatten(), nn.Linear(len(values), 1))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([values]))
        net[1].bias.fill_(0.03)
    return net


def judge(least_weights, most_rounding=1.0):
    """Accuracy 1 as long as so many weights are left, none of which was moved by more than ``most_rounding``; else 0."""

    def validate(net):
        kept = net[1].weight[net[1].weight != 0].abs()
        moved = (kept * 1000 - (kept * 1000).round()).abs().max() / 1000 if len(kept) else torch.tensor(0.0)
        return Quality(
            float(len(kept) >= least_weights and (net[1].bias - 0.03).abs() <= most_rounding and moved <= 1), 0.0
        )

    return validate


def test_the_threshold_rises_until_accuracy_falls():
    net = weights(0.25, -0.35, 0.45, -0.55, 0.9)
    found = tq(net, TqRequest(), judge(2))
    assert found.threshold == 0.5 and zeros_of(found.network) == found.zeros == (3, 5)
    assert net[1].weight[0, 0].item() == 0.25  # the network that was given is as it was


def test_where_the_first_threshold_fails_smaller_ones_are_tried():
    net = weights(0.05, 0.15, 0.25, 0.9)
    assert tq(net, TqRequest(), judge(3)).threshold == 0.1
    assert tq(net, TqRequest(), judge(4)).threshold == 0.0
    assert tq(net, TqRequest(threshold=0.5, step=0.5), judge(4)).threshold == 0.0


def test_it_ends_when_nothing_is_left_to_remove():
    found = tq(weights(0.2, 0.4, 7.0), TqRequest(), lambda net: Quality(1.0))
    assert found.zeros == (3, 3) and found.threshold == pytest.approx(7.1)


def test_digits_become_fewer_until_accuracy_falls():
    net = weights(0.5, 0.71)
    for most, digits in ((2.0**-8, 5), (1.0, 0)):
        found = tq(net, TqRequest(), judge(1, most))
        assert found.digits == digits
        scaled = found.network[1].weight * 2.0**digits
        assert torch.equal(scaled, scaled.round())
    assert tq(net, TqRequest(), judge(1, 1e-9)).digits is None


def test_each_part_has_its_own_share():
    net = weights(0.35, 0.9, 1.6)
    accuracy = {3: 1.0, 2: 0.993, 1: 0.99, 0: 0.5}
    validate = lambda n: Quality(accuracy[int((n[1].weight != 0).sum())])
    thresholds = [tq(net, TqRequest(T_weights=share), validate).threshold for share in (0.995, 0.993, 0.99)]
    assert thresholds == [0.3, 0.9, 1.6]
    exact, rough = (tq(net, TqRequest(T_digits=share), validate) for share in (1.0, 0.99))
    assert exact.zeros[0] == 0 and rough.zeros[0] == 1 and rough.digits == 0 < exact.digits


def test_training_after_a_threshold_keeps_the_zeros_and_helps():
    here, lean = start((6, 4)), training()
    validate = lambda n: Quality(*map(float, ((found := lean_quality(n)).accuracy, found.minus_loss)))
    plain = tq(here.network, TqRequest(), validate)
    trained = tq(here.network, TqRequest(epochs=3), validate, lambda n: lean(n, 0, hold_zeros=True))
    assert trained.zeros[0] >= plain.zeros[0] > 0
    assert validate(trained.network).accuracy >= 0.99 * validate(here.network).accuracy


def lean_quality(network):
    from easiedge.search.lean_training import quality

    return quality(network, training().val)


def test_rounding_and_thresholds_by_hand():
    net = weights(0.3, -0.299, 0.2501)
    assert under(net, 0.3)[1].weight.tolist()[0] == [pytest.approx(0.3), 0.0, 0.0]
    assert with_digits(net, 2)[1].weight.tolist() == [[0.25, -0.25, 0.25]] and with_digits(net, 2)[1].bias.item() == 0.0


@pytest.mark.parametrize(("size", "share", "layout"), [(4, 0.5, "dense"), (64, 0.95, "csr")])
def test_what_is_left_is_stored_small_and_reads_back(size, share, layout, tmp_path):
    torch.manual_seed(0)
    net = nn1(2, (1, 1, size), [size])
    cut = float(net.hidden1.weight.abs().quantile(share).detach())
    made = with_digits(under(net, cut), 9)
    found, kind = store(made, tmp_path / "w.safetensors")
    assert kind == layout and found == (tmp_path / "w.safetensors").stat().st_size
    plain = 4 * sum(p.numel() for p in net.parameters())
    assert found < plain + 400 if layout == "dense" else found < 0.3 * plain
    read = load_sparse(tmp_path / "w.safetensors")
    assert all(torch.equal(read[name].float(), t) for name, t in made.state_dict().items())


@pytest.mark.parametrize("digits", [4, 20])
def test_the_smallest_network_takes_no_more_than_plain_storage(digits, tmp_path):
    torch.manual_seed(0)
    made = with_digits(nn1(2, (1, 1, 3), [1]), digits)
    save_file(made.state_dict(), tmp_path / "plain")
    found, _ = store(made, tmp_path / "w")
    most = (tmp_path / "plain").stat().st_size
    assert found == most if digits == 20 else found < most
    read = load_sparse(tmp_path / "w")
    assert all(torch.equal(read[name].float(), t) for name, t in made.state_dict().items())


def test_half_precision_only_where_it_is_exact():
    assert next(halved(with_digits(weights(0.3, 0.7), 8)).parameters()).dtype == torch.float16
    net = weights(0.3, 0.7)
    before = copy.deepcopy(net.state_dict())
    assert next(halved(net).parameters()).dtype == torch.float32
    assert all(torch.equal(t, before[n]) for n, t in net.state_dict().items())
