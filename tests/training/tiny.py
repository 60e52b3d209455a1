"""A tiny classifier, its data and its group, made by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from easiedge.unit import FilterGroup, FilterMask, Member

UNITS = 8


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, UNITS, 3, padding=1), nn.BatchNorm2d(UNITS), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * UNITS, 4)
    )  # fmt: skip


def group(prefix: str = "") -> FilterGroup:
    index = torch.arange(UNITS)[:, None]
    reads = torch.arange(4 * UNITS).reshape(UNITS, 4)
    names = {f"{prefix}0": "conv", f"{prefix}1": "norm", f"{prefix}5": "linear"}
    conv, norm, linear = names
    members = (Member(conv, "out", index), Member(norm, "out", index), Member(linear, "in", reads))
    return FilterGroup(conv, UNITS, members, (norm,), names)


def data(images: int = 192, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images whose brightest quadrant is the class."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, 4, (images,), generator=generator)
    inputs = 0.3 * torch.randn(images, 1, 8, 8, generator=generator)
    for i, t in enumerate(targets.tolist()):
        inputs[i, 0, 4 * (t // 2) : 4 * (t // 2) + 4, 4 * (t % 2) : 4 * (t % 2) + 4] += 1.0
    return inputs, targets


def loader(
    images: int = 192, batch_size: int = 32, shuffle: bool = True, seed: int = 0, drop_last: bool = False
) -> DataLoader:
    return DataLoader(TensorDataset(*data(images, seed)), batch_size, shuffle=shuffle, drop_last=drop_last)


def half_by_norm(net: nn.Module) -> FilterMask:
    """Keep the half of the units whose filters are largest: a stand-in for the projection."""
    weight = dict(net.named_parameters())["0.weight"].detach()
    keep = torch.zeros(UNITS, dtype=torch.bool)
    keep[weight.flatten(1).norm(dim=1).topk(UNITS // 2).indices] = True
    return FilterMask({"0": keep})


def masked_copy(net: nn.Sequential, mask: FilterMask) -> nn.Sequential:
    """The network with removed units' norm outputs at zero."""
    copy = network()
    copy.load_state_dict(net.state_dict())
    with torch.no_grad():
        for parameter in (copy[1].weight, copy[1].bias):
            parameter *= mask.keep["0"]
    return copy.eval()
