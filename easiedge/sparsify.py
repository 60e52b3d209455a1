"""``easiedge sparsify``: weights pruned at several ratios, and what that does to accuracy, parameters, file and run time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from torch import nn

from easiedge.assembly import Parts
from easiedge.model.count import count
from easiedge.processes import told
from easiedge.report.sparsity_record import SparsityLevel, SparsityRecord
from easiedge.scoring.batches import inputs_of
from easiedge.sparsity_by_layer import layer_accuracies
from easiedge.sparsity_costs import file_bytes, run_times, without_zeros
from easiedge.sparsity_request import SparsityRequest
from easiedge.surgery.equivalence import Equivalence
from easiedge.weights.schedules import SCHEDULES, PrunedWeights, WeightTask

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Sparsified:
    """One ratio: its figures, and the network as it is saved.

    Attributes:
        level: the figures.
        compact: without units that nobody reads and with the smaller kernels of strided layers, where there are any.
        proof: that it computes the same.
    """

    level: SparsityLevel
    compact: nn.Module
    proof: Equivalence


def sparsified(parts: Parts, request: SparsityRequest) -> Iterator[Sparsified]:
    """Prune at every ratio, train, store and measure; test accuracies are read and decide nothing.

    Raises:
        EasiEdgeError: layers or ratios that cannot be.
    """
    layers = list(request.layers(parts.network))
    task = WeightTask(
        parts.network, layers, request.cutting, list(parts.calibration), parts.groups, parts.stages.train, _epochs(parts, request), request.steps
    )  # fmt: skip
    begun = time.perf_counter()
    for number, found in enumerate(SCHEDULES[request.schedule](task, request.ratios), 1):
        result = _measured(parts, request, found, layers, time.perf_counter() - begun)
        log.info(
            "%d of %d: %.1f %% of the weights gone, test accuracy %.2f %% (%.2f %% before training), %.0f kB as CSR of %.0f kB dense",
            number, len(request.ratios), 100 * result.level.removed, 100 * result.level.accuracy, 100 * result.level.accuracy_cut,
            result.level.bytes.csr / 1e3, result.level.bytes.dense / 1e3,
        )  # fmt: skip
        yield result
        begun = time.perf_counter()


def sparsity_record(
    parts: Parts, request: SparsityRequest, keep: Callable[[SparsityRecord], object] = lambda so_far: None
) -> tuple[SparsityRecord, Sparsified]:
    """Everything that was asked for, and the largest ratio's network; ``keep`` gets the record after every ratio."""
    network, cutting = parts.network, request.cutting
    how = {
        "criterion": cutting.criterion, "level": cutting.level, "scope": cutting.scope, "schedule": request.schedule,
        "epochs": _epochs(parts, request), "steps": request.steps, "options": dict(cutting.options), "include": list(request.include),
        "exclude": list(request.exclude),
    }  # fmt: skip
    dense = {
        "accuracy": _test(parts, network), "val_accuracy": parts.stages.validate(network),
        **count(network, inputs_of(parts.calibration[0])[:2]), "filters": sum(g.size for g in parts.groups),
        "bytes": file_bytes(network, [], parts.directory / "levels").dense,
    }  # fmt: skip
    (parts.directory / "levels" / "csr.safetensors").unlink()
    names = parts.names
    found = SparsityRecord(names.model, names.data, parts.seed, how, dense, ())
    if request.sensitivity:
        found = replace(found, layers=layer_accuracies(parts, request))
    last = None
    for last in sparsified(parts, request):
        found = replace(found, levels=(*found.levels, last.level))
        keep(found)
    assert last is not None  # a request has a ratio
    return found, last


def _epochs(parts: Parts, request: SparsityRequest) -> int:
    return parts.stages.recipes["finetune"].epochs if request.epochs is None else request.epochs


def _measured(
    parts: Parts, request: SparsityRequest, found: PrunedWeights, layers: list[str], seconds: float
) -> Sparsified:
    compact, units, proof = without_zeros(found, parts.calibration)
    counted = count(compact, inputs_of(parts.calibration[0])[:2])
    images = inputs_of(next(iter(parts.data.test_dataloader())))[: request.batch].contiguous()
    timing = (parts.network, found, compact, layers, images, request.seconds)
    level = SparsityLevel(
        ratio=found.ratio,
        removed=found.mask.share_removed(),
        weights_kept=found.mask.kept(),
        accuracy_cut=_test(parts, found.cut),
        accuracy=_test(parts, found.network),
        val_accuracy=parts.stages.validate(found.network),
        nonzero=sum(int((p != 0).sum()) for p in found.network.parameters()),
        params=counted["params"],
        macs=counted["macs"],
        units=sum(int(units.keep[g.name].sum()) for g in parts.groups),
        bytes=file_bytes(found.network, layers, parts.directory / "levels" / f"{found.ratio:.3f}"),
        times=run_times(*timing) if request.seconds else (),
        seconds=seconds,
    )
    return Sparsified(level, compact, proof)


def _test(parts: Parts, network: nn.Module) -> float:
    """Accuracy on the test split, which decides nothing."""
    return told(parts.stages.quality(network, parts.data.test_dataloader())[0])
