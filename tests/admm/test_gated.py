"""Which parameters ADMM splits, and which of their rows belong to units."""

from __future__ import annotations

import pytest
import torch
from admm.quadratic import plain_group
from torch import nn

from easiedge.admm import gated_parameters
from easiedge.errors import ModelError
from easiedge.unit import FilterGroup, FilterMask, Member


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))


def test_filters_bias_and_norm_are_gated_and_nothing_else() -> None:
    gated = gated_parameters(_network(), [plain_group("0", 4, ("1", "norm"))])
    assert list(gated) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert all(p.rows is None and p.size == 4 for p in gated.values())


def test_readers_are_not_gated() -> None:
    index = torch.arange(4)[:, None]
    group = FilterGroup(
        "0", 4, (Member("0", "out", index), Member("3", "in", index)), ("0",), {"0": "conv", "3": "conv"}
    )
    assert list(gated_parameters(_network(), [group])) == ["0.weight", "0.bias"]


def test_two_groups_share_a_layer_and_leave_a_row_free() -> None:
    first = FilterGroup("a", 2, (Member("0", "out", torch.tensor([[0], [2]])),), ("0",), {"0": "conv"})
    second = FilterGroup("b", 1, (Member("0", "out", torch.tensor([[3]])),), ("0",), {"0": "conv"})
    parameter = gated_parameters(_network(), [first, second])["0.weight"]
    assert parameter.rows is not None
    assert parameter.rows.tolist() == [True, False, True, True]
    mask = FilterMask({"a": torch.tensor([True, False]), "b": torch.tensor([False])})
    assert parameter.kept(mask).tolist() == [True, True, False, False]
    assert parameter.kept(FilterMask({"a": torch.tensor([True, False])})).tolist() == [True, True, False, True]


def test_units_wider_than_a_channel() -> None:
    group = FilterGroup("0", 2, (Member("0", "out", torch.tensor([[0, 1], [2, 3]])),), ("0",), {"0": "conv"})
    parameter = gated_parameters(_network(), [group])["0.weight"]
    assert parameter.kept(FilterMask({"0": torch.tensor([False, True])})).tolist() == [False, False, True, True]


def test_bare_parameters_count_when_their_first_axis_is_the_channels() -> None:
    network = nn.Module()
    network.scale = nn.Parameter(torch.ones(3, 1, 1))
    network.flat = nn.Parameter(torch.ones(1, 3))
    index = torch.arange(3)[:, None]
    group = FilterGroup(
        "g", 3, (Member("scale", "out", index), Member("flat", "out", index)), (), {"scale": "param", "flat": "param"}
    )
    assert list(gated_parameters(network, [group])) == ["scale"]


def test_frozen_and_missing_parameters() -> None:
    network = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4, affine=False))
    assert list(gated_parameters(network, [plain_group("0", 4, ("1", "norm"))])) == ["0.weight"]
    network.requires_grad_(False)
    assert gated_parameters(network, [plain_group("0", 4)]) == {}


def test_groups_of_another_network_are_refused() -> None:
    with pytest.raises(ModelError, match="'missing'"):
        gated_parameters(_network(), [plain_group("missing", 4)])
    with pytest.raises(ModelError, match="which has 4"):
        gated_parameters(_network(), [plain_group("0", 5)])
