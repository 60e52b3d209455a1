"""The penalty's in-place gradient against autograd of the penalty, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from easiedge.admm import add_penalty_gradient_, gated_parameters, penalty
from easiedge.unit import FilterGroup, Member


def _problem() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, torch.Tensor], dict]:
    torch.manual_seed(1)
    network = (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1))
        .double()
        .to(memory_format=torch.channels_last)
    )
    part = torch.tensor([[0], [2], [5]])
    whole = torch.arange(4)[:, None]
    groups = [
        FilterGroup("0", 3, (Member("0", "out", part), Member("1", "out", part)), ("1",), {"0": "conv", "1": "norm"}),
        FilterGroup("2", 4, (Member("2", "out", whole),), ("2",), {"2": "conv"}),
    ]
    gated = gated_parameters(network, groups)
    W = dict(network.named_parameters())
    return (
        W,
        {n: torch.randn_like(W[n]).detach() for n in gated},
        {n: torch.randn_like(W[n]).detach() for n in gated},
        gated,
    )


def test_gradient_equals_autograd() -> None:
    W, Z, U, gated = _problem()
    names = list(gated)
    expected = torch.autograd.grad(penalty(W, Z, U, 0.7, gated), [W[n] for n in names])
    before = {n: torch.randn_like(W[n]) for n in names}
    for name in names:
        W[name].grad = before[name].clone()
    add_penalty_gradient_(W, Z, U, 0.7, gated)
    for name, gradient in zip(names, expected, strict=True):
        torch.testing.assert_close(W[name].grad, before[name] + gradient, rtol=1e-12, atol=1e-12)


def test_rows_without_a_unit_feel_nothing() -> None:
    W, Z, U, gated = _problem()
    for parameter in W.values():
        parameter.grad = torch.zeros_like(parameter)
    add_penalty_gradient_(W, Z, U, 0.7, gated)
    free = torch.tensor([1, 3, 4, 6, 7])
    gradient = W["0.weight"].grad
    assert gradient is not None
    assert float(gradient[free].abs().max()) == 0.0
    assert float(gradient[[0, 2, 5]].abs().min()) > 0.0


def test_parameters_without_a_gradient_are_left_alone() -> None:
    W, Z, U, gated = _problem()
    add_penalty_gradient_(W, Z, U, 0.7, gated)
    assert all(parameter.grad is None for parameter in W.values())


def test_the_gradient_allocates_nothing() -> None:
    W, Z, U, gated = _problem()
    whole = {name: p for name, p in gated.items() if p.rows is None}
    for parameter in W.values():
        parameter.grad = torch.zeros_like(parameter)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        add_penalty_gradient_(W, Z, U, 0.7, whole)
        torch.empty(1000)
    allocated = [event.self_cpu_memory_usage for event in record.events() if event.self_cpu_memory_usage > 0]
    assert allocated == [4000]  # the tensor made here is seen, and it is the only one


def test_penalty_is_squared_and_halved() -> None:
    W, Z, U, gated = _problem()
    whole = {name: p for name, p in gated.items() if p.rows is None}
    expected = sum(float(((W[n].detach() - Z[n] + U[n]) ** 2).sum()) for n in whole) * 0.5 * 3.0
    assert penalty(W, Z, U, 3.0, whole).item() == pytest.approx(expected)
