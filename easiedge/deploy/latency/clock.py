"""Measuring as a table was measured: what a limit in milliseconds is held against."""

from __future__ import annotations

import copy
from collections.abc import Callable

from torch import Tensor, nn

from easiedge.deploy.latency.engine import this_setting
from easiedge.deploy.latency.table import LatencyTable
from easiedge.deploy.latency.timing import measure_latency
from easiedge.errors import EasiEdgeError


def device_clock(
    table: LatencyTable, dense: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]
) -> Callable[[nn.Module], float] | None:
    """A function that measures a network in ONNX Runtime on this machine, at the speed that the table speaks of.

    By turns with ``dense``: ``ms = time / time of dense now * table.quality.dense_ms``.

    Args:
        table: of this machine.
        dense: the network it was made for.
        example_inputs: a batch, of which one image is run.

    Returns:
        None where the table speaks of another machine, engine or version, or the engine is not installed.
    """
    try:
        setting = this_setting(table.setting.threads)
    except EasiEdgeError:
        return None
    if setting != table.setting:
        return None
    reference = copy.deepcopy(dense).cpu().eval()

    def clock(network: nn.Module) -> float:
        compact = copy.deepcopy(network).cpu()
        found = measure_latency(compact, example_inputs, threads=table.setting.threads, beside=reference)
        return found.at(table.quality.dense_ms)

    return clock
