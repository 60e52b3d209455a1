"""What zeros in weights are worth: the files that hold them, the run times, and what can be removed for real."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.deploy.bench.interleaved import interleaved, times_faster
from easiedge.errors import EquivalenceError, ModelError
from easiedge.model.filter_groups import find_groups
from easiedge.report.sparsity_record import FileBytes, RunTime
from easiedge.scoring.batches import inputs_of
from easiedge.surgery.equivalence import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE, Equivalence
from easiedge.training.evaluate import logits
from easiedge.unit import FilterMask
from easiedge.weights.dead_units import without_dead_units
from easiedge.weights.masked_weights import mask_weights
from easiedge.weights.schedules import PrunedWeights
from easiedge.weights.sparse_file import save_sparse
from easiedge.weights.sparse_network import sparse_network
from easiedge.weights.strided import without_strides

log = logging.getLogger(__name__)
_FILES: Mapping[str, tuple[str, torch.dtype | None]] = {
    "dense": ("dense", None), "coo": ("coo", None), "csr": ("csr", None), "csr64": ("csr", torch.int64),
}  # fmt: skip


def without_zeros(found: PrunedWeights, batches: Sequence[Any]) -> tuple[nn.Module, FilterMask, Equivalence]:
    """The network without units that nobody reads and with smaller kernels in strided layers, proved to compute the same on ``batches``.

    Returns:
        The network, the units of the dense one that stay, and the proof.

    Raises:
        EquivalenceError: it does not compute the same.
    """
    image = inputs_of(batches[0])[:2]
    strideless, _ = without_strides(found.network, found.mask)
    compact, units = without_dead_units(strideless, find_groups(strideless, image), image)
    a, b = logits(found.network, batches), logits(compact, batches)
    difference, largest = float((a - b).abs().max()), float(a.abs().max())
    if not difference <= RELATIVE_TOLERANCE * largest + ABSOLUTE_TOLERANCE:
        raise EquivalenceError(
            f"the network without its zeros differs from the one with them by {difference:.3g} (largest output {largest:.3g}): "
            "it is not saved; please report this network"
        )
    return compact.eval(), units, Equivalence(difference, largest, len(a))


def file_bytes(network: nn.Module, layers: Sequence[str], folder: Path) -> FileBytes:
    """The bytes of the files that are really written into ``folder``; the one in CSR with narrow indices stays there."""
    sizes = {}
    for name, (layout, index) in _FILES.items():
        path = folder / f"{name}.safetensors"
        save_sparse(network, path, layout, layers, index)
        sizes[name] = path.stat().st_size
        if name != "csr":
            path.unlink()
    return FileBytes(**sizes)


def run_times(
    dense: nn.Module, found: PrunedWeights, compact: nn.Module, layers: Sequence[str], images: Tensor, seconds: float
) -> tuple[RunTime, ...]:
    """Dense, masked at every forward pass, sparse, and smaller for real, timed in turns on the processor."""
    networks = {name: copy.deepcopy(n).cpu().eval() for name, n in (("dense", dense), ("masked", found.network))}
    mask_weights(networks["masked"], found.mask)
    try:
        networks["sparse"] = sparse_network(copy.deepcopy(found.network).cpu(), layers)
    except ModelError as error:
        log.warning("no run time of a sparse network: %s", error)
    if sum(p.numel() for p in compact.parameters()) < sum(p.numel() for p in found.network.parameters()):
        networks["smaller"] = copy.deepcopy(compact).cpu().eval()

    def run(network: nn.Module) -> object:
        with torch.inference_mode():
            return network(images)

    timed = interleaved({name: lambda n=n: run(n) for name, n in networks.items()}, seconds)  # type: ignore[misc]
    rows, threads = [], torch.get_num_threads()
    for name, each in timed.items():
        faster = times_faster(each, timed["dense"])
        about = (faster.estimate, faster.low, faster.high, each.disturbed, len(images), threads)
        rows.append(RunTime(name, each.median_ms, *about))
    return tuple(rows)
