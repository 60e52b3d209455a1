"""Whether choosing units fits into memory, said before it is begun."""

from __future__ import annotations

import logging

import torch

from easiedge.assembly import Parts
from easiedge.available_memory import available_memory
from easiedge.model.graph import device_of
from easiedge.surgery.memory_estimate import MemoryEstimate, memory_estimate

log = logging.getLogger(__name__)
GIGA = 1e9


def check_memory(parts: Parts) -> MemoryEstimate:
    """Log what scoring and compensation take at most, and warn with advice where less is available."""
    chosen = parts.selection
    found = memory_estimate(
        parts.network, parts.groups, parts.calibration, chosen.criterion, chosen.options,
        fit=chosen.compensation == "least_squares", positions=chosen.positions,
    )  # fmt: skip
    device = device_of(parts.network)
    on_gpu = found.activations if device.type == "cuda" else 0
    here = available_memory(torch.device("cpu"))
    log.info(
        "memory for choosing units: at most %.2f GB for scores and %.2f GB for compensation%s",
        found.scoring / GIGA,
        found.compensation / GIGA,
        "" if here is None else f", of {here / GIGA:.2f} GB available",
    )
    there = available_memory(device) if on_gpu else None
    if there is not None and on_gpu > there:
        _warn(found, on_gpu, there, "the GPU's memory", len(parts.calibration[0][0]))
    elif here is not None and found.peak - on_gpu > here:
        _warn(found, found.peak - on_gpu, here, "memory", len(parts.calibration[0][0]))
    return found


def _warn(found: MemoryEstimate, needed: int, available: int, what: str, batch: int) -> None:
    """Name what takes most, and what makes it smaller."""
    advice = {
        "activations": f"calibration.batch_size={max(batch // 4, 1)}",
        "form": "+scoring.options.matrix_limit=0 +scoring.options.memory=100000000",
        "equations": "compensation=none",
        "kept": "fewer calibration.images=",
        "rows": "fewer scoring.options.passes=",
    }
    largest = max(advice, key=lambda part: getattr(found, part))
    log.warning(
        "choosing units may take up to %.2f GB of %s, and %.2f GB are available: if it does not fit, %s helps most",
        needed / GIGA,
        what,
        available / GIGA,
        advice[largest],
    )
