"""``easiedge latency``: the latency table of a network on this machine, or a look at one that was made elsewhere."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn

from easiedge.assembly import chosen_groups, make_network
from easiedge.deploy.latency.engine import this_setting
from easiedge.deploy.latency.table_file import save_table
from easiedge.device import TABLE, measured_table, table_asked_for
from easiedge.errors import EasiEdgeError
from easiedge.model.filter_groups import find_groups
from easiedge.report.latency_picture import latency_picture
from easiedge.report.latency_terminal import latency_tables
from easiedge.targets import check_targets

log = logging.getLogger(__name__)
PICTURE = "latency.png"


def latency_of_device(cfg: DictConfig) -> dict[str, Any]:
    """Measure or read the table, write it and its picture into the run directory, and return how good it is.

    Raises:
        EasiEdgeError: whatever is wrong with the request.
    """
    check_targets(cfg, HydraConfig.get().overrides.task)
    device = cfg.device
    directory = Path(HydraConfig.get().runtime.output_dir)
    if device.kind == "none":
        raise EasiEdgeError(
            "device=none has nothing to measure: leave it out, or give device=table device.table=FILE to look at a table"
        )
    shape = None if device.input_shape is None else _Images(tuple(device.input_shape), device.classes)
    given = table_asked_for(device)
    if given is None:
        this_setting(device.threads)  # refuse before anything long
    network, example = _network(cfg, shape)
    groups = chosen_groups(find_groups(network, example), cfg.groups)
    table = measured_table(network, groups, example, device, cfg.seed) if given is None else given
    table.network(network, groups, example)
    save_table(table, directory / TABLE)
    latency_picture(table, directory / PICTURE)
    latency_tables(table, directory / TABLE, directory / PICTURE)
    return {**asdict(table.setting), **asdict(table.quality)}


def _network(cfg: DictConfig, images: Any) -> tuple[nn.Module, Tensor]:
    """The network on the CPU, and a batch of zeros: of the data's shape, or of the one that was given instead."""
    if images is None:
        images = instantiate(cfg.data)
        images.setup()
    network = make_network(cfg, images).cpu().eval()
    return network, torch.zeros(2, *images.input_shape)


class _Images:
    """Stands for data of which only the shape is known."""

    def __init__(self, shape: tuple[Any, ...], classes: Any) -> None:
        numbers = (*shape, classes)
        if len(shape) != 3 or not all(isinstance(s, int) and not isinstance(s, bool) and s > 0 for s in numbers):
            raise EasiEdgeError(
                f"device.input_shape={list(shape)} and device.classes={classes} must be three whole numbers and one, such as [3,224,224] and 1000"
            )
        self.input_shape, self.num_classes = shape, classes
