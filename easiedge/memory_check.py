"""Whether choosing units fits into memory, said before anything is begun."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from easiedge.available_memory import available_memory
from easiedge.model.graph import device_of
from easiedge.processes import local_size
from easiedge.scoring.batches import inputs_of
from easiedge.surgery.memory_estimate import MemoryEstimate, memory_estimate
from easiedge.unit import FilterGroup

log = logging.getLogger(__name__)
GIGA = 1e9
SCORING, COMPENSATION = ("activations", "rows", "form"), ("equations", "kept", "working")


@dataclass(frozen=True)
class Choosing:
    """One way in which a run chooses units: a criterion with its options, and whether layers are refitted."""

    criterion: str
    options: Mapping[str, Any]
    fit: bool
    positions: int


@dataclass(frozen=True)
class _Phase:
    """What one phase takes on one device: ``needed`` bytes, of which ``parts`` are those that advice can make smaller."""

    needed: int
    parts: Mapping[str, int]


def check_memory(
    network: nn.Module, groups: Sequence[FilterGroup], calibration: Sequence[Any], ways: Iterable[Choosing]
) -> None:
    """Log what scoring and compensation take at most, in all processes of this machine, and warn where less is available.

    The two do not overlap, nor do several ``ways``.  Each process repeats what one does; each has a GPU of its own.
    """
    found = [
        memory_estimate(network, groups, calibration, way.criterion, way.options, fit=way.fit, positions=way.positions)
        for way in ways
    ]
    if not found:
        return
    device, processes = device_of(network), local_size()
    here = available_memory(torch.device("cpu"))
    log.info(
        "memory for choosing units: at most %.2f GB for scores and %.2f GB for compensation%s%s",
        max(e.scoring for e in found) / GIGA,
        max(e.compensation for e in found) / GIGA,
        "" if processes == 1 else f" in each of {processes} processes",
        "" if here is None else f", of {here / GIGA:.2f} GB available",
    )
    batch = max(len(inputs_of(part)) for part in calibration)
    on_gpu = device.type == "cuda"
    if on_gpu:
        worst = max((_phase(e.activations, e, SCORING[:1]) for e in found), key=lambda phase: phase.needed)
        _compare(worst, available_memory(device), "the GPU's memory", batch)
    _compare(_on_the_host(found, on_gpu, processes), here, "memory", batch)


def _on_the_host(found: Sequence[MemoryEstimate], on_gpu: bool, processes: int) -> _Phase:
    """The phase that takes most there; a GPU holds the activations of scoring."""
    phases = []
    for e in found:
        phases.append(_phase(e.scoring - (e.activations if on_gpu else 0), e, SCORING[1:] if on_gpu else SCORING))
        phases.append(_phase(e.compensation, e, COMPENSATION))
    worst = max(phases, key=lambda phase: phase.needed)
    return _Phase(worst.needed * processes, worst.parts)


def _phase(needed: int, estimate: MemoryEstimate, parts: Sequence[str]) -> _Phase:
    return _Phase(needed, {part: getattr(estimate, part) for part in parts})


def _compare(phase: _Phase, available: int | None, what: str, batch: int) -> None:
    """Warn where less is available, with what makes the largest part of the phase smaller."""
    if available is None or phase.needed <= available:
        return
    advice = {
        "activations": f"calibration.batch_size={max(batch // 4, 1)}",
        "working": f"calibration.batch_size={max(batch // 4, 1)}",
        "form": "+scoring.options.matrix_limit=0 +scoring.options.memory=100000000",
        "equations": "compensation=none",
        "kept": "fewer calibration.images=",
        "rows": "fewer scoring.options.passes=",
    }
    log.warning(
        "choosing units may take up to %.2f GB of %s, and %.2f GB are available: if it does not fit, %s helps most",
        phase.needed / GIGA,
        what,
        available / GIGA,
        advice[max(phase.parts, key=lambda part: phase.parts[part])],
    )
