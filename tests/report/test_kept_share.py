"""The kept share of each layer as values."""

import pytest
import torch
from networks import Plain

import easiedge
from easiedge.report.kept_share import kept_shares
from easiedge.report.layers_table import layer_rows

X = torch.randn(2, 2, 8, 8)


def test_values_of_a_mask_and_of_the_layers_that_it_shrinks():
    model = Plain(a=40, b=6, hidden=7).eval()
    groups = easiedge.find_groups(model, X)
    mask = easiedge.FilterMask({g.name: torch.arange(g.size) < n for g, n in zip(groups, (1, 3, 7), strict=True)})
    compact = easiedge.shrink(model, groups, mask, X)
    plain, counted = kept_shares(groups, mask), kept_shares(groups, mask, layer_rows(model, compact, groups, X))
    assert [(g.name, g.kept, g.size, g.collapsed) for g in counted.groups] == [
        ("conv1", 1, 40, True), ("conv2", 3, 6, False), ("fc1", 7, 7, False),
    ]  # fmt: skip
    assert plain.overall == counted.overall == pytest.approx(11 / 53)
    assert plain.least == pytest.approx(0.05)
    assert counted.counted and not plain.counted
    head = 7 * 3  # the classifier is in no group
    for when, network in (("macs_before", model), ("macs_after", compact)):
        extra = head if when == "macs_before" else int(compact.fc2.weight.numel())
        assert sum(getattr(g, when) for g in counted.groups) + extra == easiedge.count(network, X)["macs"]


def test_a_collapse_is_what_the_guard_of_the_same_share_calls_one():
    model = Plain(a=40).eval()
    groups = easiedge.find_groups(model, X)
    mask = easiedge.FilterMask({g.name: torch.arange(g.size) < max(1, g.size // 2) for g in groups})
    assert not any(g.collapsed for g in kept_shares(groups, mask).groups)
    assert kept_shares(groups, mask, collapse_share=0.4).groups[0].collapsed


def test_a_mask_of_other_groups_is_refused():
    groups = easiedge.find_groups(Plain().eval(), X)
    with pytest.raises(easiedge.EasiEdgeError, match="elsewhere"):
        kept_shares(groups, easiedge.FilterMask({"elsewhere": torch.ones(3, dtype=torch.bool)}))
