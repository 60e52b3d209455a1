"""A run directory with a small network for the digits, as ``easiedge prune`` leaves it, without training."""

import json

import torch
import yaml
from networks import randomise_norms
from torch import nn

from easiedge.data.digits import Digits
from easiedge.deploy.artifact import save
from easiedge.report.network_provenance import form_of


def small(pool=None):
    """Convolutions with norms, for 8x8 digits."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Conv2d(6, 8, 3, padding=1),
        nn.BatchNorm2d(8), nn.ReLU(), pool or nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


def digits():
    data = Digits()
    data.setup()
    return data


def fitted(data, pool=None):
    """The network with its last layer fitted in closed form: right often enough for accuracies to mean something."""
    torch.manual_seed(0)
    net = randomise_norms(small(pool)).eval()
    (x, labels), *_ = data.calibration_batches(1024, 1024)
    with torch.no_grad():
        features = torch.cat([net[:-1](x), torch.ones(len(x), 1)], 1)
        ridge = 0.02 * len(x) * torch.eye(features.shape[1])  # small weights, which int8 holds well
        solved = torch.linalg.solve(features.T @ features + ridge, features.T @ (8 * torch.eye(10)[labels] - 4))
        net[-1].weight.copy_(solved[:-1].T)
        net[-1].bias.copy_(solved[-1])
    return net


def make_run(folder, pool=None, target="easiedge.data.digits.Digits", **data):
    """``pruned/`` and ``config.yaml``; returns the network."""
    images = digits()
    net = fitted(images, pool)
    save(net, folder / "pruned", form_of(images).as_json())
    settings = {"_target_": target, "root": None, "batch_size": 64, "split_seed": 0, "shift": 1, "seed": 0, **data}
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed": 0, "data": settings}))
    return net


def entries(folder):
    """Of the run's ``export.json``, by file."""
    return {each["file"]: each for each in json.loads((folder / "export" / "export.json").read_text())["files"]}
