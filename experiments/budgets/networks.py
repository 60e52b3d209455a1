"""The four networks, with calibration images: trained where weights are there, else with random weights and images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

import easiedge
from easiedge.data.cifar10 import CIFAR10
from easiedge.deploy.latency.table import LatencyTable
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.model.weights import load_weights
from easiedge.unit import FilterGroup

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
NETWORKS: dict[str, dict[str, Any]] = {
    "vgg16": {"build": vgg16, "size": 32, "weights": "vgg16_cifar10jpeg.safetensors", "data": {}},
    "resnet56": {"build": resnet56, "size": 32, "weights": "resnet56_cifar10.safetensors", "data": IMAGENET},
    "mobilenet_v2": {"build": torchvision.models.mobilenet_v2, "size": 224},
    "resnet50": {"build": torchvision.models.resnet50, "size": 224},
}


@dataclass(frozen=True, eq=False)
class Network:
    """A network, its groups, two images and calibration batches; ``data`` where it is trained."""

    name: str
    model: nn.Module
    groups: Sequence[FilterGroup]
    x: torch.Tensor
    batches: Sequence[Any]
    data: Any


def network(name: str, data: Path | None = None, weights: Path | None = None, images: int = 1024) -> Network:
    """One of `NETWORKS`."""
    entry = NETWORKS[name]
    torch.manual_seed(0)
    model, size, loaded = entry["build"]().eval(), entry["size"], None
    if "weights" in entry and data is not None and weights is not None:
        load_weights(model, weights / entry["weights"])
        loaded = CIFAR10(data, download=False, **entry["data"])
        loaded.setup()
        batches = loaded.calibration_batches(images, 128, 0)
    else:
        lively(model)
        batches = [(torch.randn(16, 3, size, size), torch.randint(0, 10, (16,))) for _ in range(2)]
    x = batches[0][0][:2]
    return Network(name, model, easiedge.find_groups(model, x), x, batches, loaded)


def lively(model: nn.Module) -> None:
    """Norms with statistics and shifts as after training."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.normal_(module.bias, std=0.1)


def clock_of(net: Network, table: LatencyTable) -> Callable[[torch.nn.Module], float]:
    """Milliseconds of a network on this machine, at the speed for which the table speaks."""
    clock = easiedge.device_clock(table, net.model, net.x)
    if clock is None:
        raise SystemExit(f"the table of {net.name} was made on another machine or with another version of the engine")
    return clock
