"""The device of ``device=``: its latency table, and a clock where it is the machine at hand."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from torch import Tensor, nn

from easiedge.deploy.latency.clock import device_clock
from easiedge.deploy.latency.engine import this_setting
from easiedge.deploy.latency.measure_table import measure_table
from easiedge.deploy.latency.network_latency import NetworkLatency
from easiedge.deploy.latency.table import LatencyTable
from easiedge.deploy.latency.table_file import load_table, save_table
from easiedge.deploy.latency.widths import layer_widths
from easiedge.errors import EasiEdgeError
from easiedge.processes import by_the_first
from easiedge.report.bar import Bar
from easiedge.unit import FilterGroup

log = logging.getLogger(__name__)
TABLE = "latency_table.json"


def table_asked_for(device: DictConfig) -> LatencyTable | None:
    """The table of ``device=table``; None where the machine itself is to be measured.

    Raises:
        EasiEdgeError: no file is given, it cannot be used, or speaks of another engine or number of threads.
    """
    if device.kind != "table":
        return None
    if device.table is None:
        raise EasiEdgeError(
            "device=table needs the file: device.table=FILE, a latency_table.json that 'easiedge latency' wrote"
        )
    table = load_table(device.table)
    table.check(device.engine, device.threads)
    return table


def measured_table(
    network: nn.Module, groups: Sequence[FilterGroup], example: Tensor, device: DictConfig, seed: int
) -> LatencyTable:
    """Measure the table on the machine at hand, with a progress bar."""
    log.info("measuring %d shrunk networks with ONNX Runtime, %d thread(s)", device.networks, device.threads)
    with Bar(device.networks, "latency table", "networks") as bar:
        return measure_table(
            network, groups, example, threads=device.threads, networks=device.networks, repetitions=device.repetitions,
            warm_up=device.warm_up, seed=seed, progress=bar.reach,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Device:
    """What is known of the device that the network shall run on.

    Attributes:
        table: milliseconds of the network's layers.
        latency: the same as a function of the units kept.
        clock: milliseconds of a network measured now (`device_clock`), where the device is the machine at hand; None where it is not.
    """

    table: LatencyTable
    latency: NetworkLatency
    clock: Callable[[nn.Module], float] | None


def device_of_run(
    cfg: DictConfig, wanted: bool, network: nn.Module, groups: Sequence[FilterGroup], example: Tensor, seed: int, directory: Path,
    shared: Path | None = None,
) -> Device | None:  # fmt: skip
    """The device for ``network``: by the table in a file, or measured now if that is ``wanted``, and kept in ``directory``.

    The jobs of a sweep measure once and keep the table in ``shared`` too.

    Raises:
        EasiEdgeError: the table speaks of another network, engine or number of threads, or the engine is missing.
    """
    network, example = copy.deepcopy(network).cpu().eval(), example.cpu()
    if cfg.kind == "this_machine" and wanted:
        kept = (shared or directory) / (
            TABLE if shared is None else f"latency-{_key(cfg, network, groups, example)}.json"
        )
        table = by_the_first(
            lambda: load_table(kept) if kept.is_file() else measured_table(network, groups, example, cfg, seed)
        )
        save_table(table, kept)
        save_table(table, directory / TABLE)
    else:
        found = table_asked_for(cfg)
        if found is None:
            return None
        table = found
    latency = table.network(network, groups, example)
    clock = device_clock(table, network, example)
    return Device(table, latency, None if clock is None else lambda timed: by_the_first(lambda: clock(timed)))


def _key(cfg: DictConfig, network: nn.Module, groups: Sequence[FilterGroup], example: Tensor) -> str:
    """Tells networks and settings apart that need tables of their own; jobs that differ in their seed have the same device."""
    widths = layer_widths(network, groups, example)
    said = (
        widths.layers,
        widths.kinds,
        [w.tolist() for w in widths.at(widths.sizes)],
        this_setting(cfg.threads),
        (cfg.networks, cfg.repetitions, cfg.warm_up),
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]
