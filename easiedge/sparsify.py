"""``easiedge sparsify``: weights pruned at several ratios, and what that does to accuracy, parameters, file and run time."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from easiedge.assembly import Parts
from easiedge.deploy.bench.interleaved import interleaved, times_faster
from easiedge.errors import EquivalenceError, ModelError
from easiedge.model.count import count
from easiedge.model.filter_groups import find_groups
from easiedge.processes import told
from easiedge.report.bar import Bar
from easiedge.report.sparsity_record import FileBytes, LayerAccuracy, RunTime, SparsityLevel, SparsityRecord
from easiedge.scoring.batches import inputs_of
from easiedge.sparsity_request import SparsityRequest
from easiedge.surgery.equivalence import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE
from easiedge.weights.cutting import Cutting, write_values
from easiedge.weights.dead_units import without_dead_units
from easiedge.weights.layers import weight_layers
from easiedge.weights.masked_weights import mask_weights, weights_masked
from easiedge.weights.schedules import SCHEDULES, PrunedWeights, WeightTask
from easiedge.weights.sparse_file import save_sparse
from easiedge.weights.sparse_network import sparse_network
from easiedge.weights.strided import without_strides

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Sparsified:
    """One ratio: its figures, and the network as it is saved.

    Attributes:
        level: the figures.
        compact: without units that nobody reads and with the smaller kernels of strided layers, where there are any.
    """

    level: SparsityLevel
    compact: nn.Module


def sparsified(parts: Parts, request: SparsityRequest) -> Iterator[Sparsified]:
    """Prune at every ratio, train, store and measure; test accuracies are read and decide nothing.

    Raises:
        EasiEdgeError: layers or ratios that cannot be.
    """
    layers = list(weight_layers(parts.network, request.include, request.exclude))
    recipe = parts.stages.recipes["finetune"]
    task = WeightTask(
        parts.network, layers, request.cutting, list(parts.calibration), parts.groups, parts.stages.train,
        recipe.epochs if request.epochs is None else request.epochs, request.steps,
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
) -> tuple[SparsityRecord, nn.Module]:
    """Everything that was asked for, and the network of the largest ratio; ``keep`` gets the record after every ratio."""
    dense, bare = parts.network, inputs_of(parts.calibration[0])[:2]
    weight_layers(dense, request.include, request.exclude)  # refused before any work
    folder = parts.directory / "levels"
    size = save_sparse(dense, folder / "dense.safetensors", "dense")
    (folder / "dense.safetensors").unlink()
    cutting = request.cutting
    how = {"criterion": cutting.criterion, "level": cutting.level, "scope": cutting.scope, "schedule": request.schedule, "epochs": request.epochs,
           "steps": request.steps, "options": dict(cutting.options), "include": list(request.include), "exclude": list(request.exclude)}  # fmt: skip
    accuracy = told(parts.stages.quality(dense, parts.data.test_dataloader())[0])
    about = {
        "accuracy": accuracy,
        "val_accuracy": parts.stages.validate(dense),
        **count(dense, bare),
        "filters": sum(g.size for g in parts.groups),
        "bytes": size,
    }
    found = SparsityRecord(parts.names.model, parts.names.data, parts.seed, how, about, ())
    if request.sensitivity:
        found = replace(found, layers=layer_accuracies(parts, request))
    compact = dense
    for result in sparsified(parts, request):
        found, compact = replace(found, levels=(*found.levels, result.level)), result.compact
        keep(found)
    return found, compact


def _measured(
    parts: Parts, request: SparsityRequest, found: PrunedWeights, layers: list[str], seconds: float
) -> Sparsified:
    def test(network: nn.Module) -> float:
        return told(parts.stages.quality(network, parts.data.test_dataloader())[0])

    image = inputs_of(parts.calibration[0])[:2]
    compact, units = _smaller(found, image)
    kept = sum(found.mask.kept().values())
    counted = count(compact, image)
    level = SparsityLevel(
        ratio=found.ratio,
        removed=1.0 - kept / found.mask.total(),
        weights_kept=found.mask.kept(),
        accuracy_cut=test(found.cut),
        accuracy=test(found.network),
        val_accuracy=parts.stages.validate(found.network),
        nonzero=sum(int((p != 0).sum()) for p in found.network.parameters()),
        params=counted["params"],
        macs=counted["macs"],
        units=units,
        bytes=_stored(found.network, layers, parts.directory / "levels" / f"{found.ratio:.3f}"),
        times=_times(parts, request, found, compact, layers) if request.seconds else (),
        seconds=seconds,
    )
    return Sparsified(level, compact)


def _smaller(found: PrunedWeights, image: Tensor) -> tuple[nn.Module, int]:
    """What can be removed for real, proved on two images, and the units that are left.

    Raises:
        EquivalenceError: it does not compute the same.
    """
    network, lattices = without_strides(found.network, found.mask)
    if lattices:
        _prove(found.network, network, image)
    compact, units = without_dead_units(network, find_groups(network, image), image)
    return compact.eval(), sum(units.kept().values())


@torch.no_grad()
def _prove(network: nn.Module, smaller: nn.Module, image: Tensor) -> None:
    a, b = copy.deepcopy(network).eval()(image), copy.deepcopy(smaller).eval()(image)
    if not bool(((a - b).abs() <= RELATIVE_TOLERANCE * a.abs().max() + ABSOLUTE_TOLERANCE).all()):
        raise EquivalenceError(
            f"the network with dilated kernels differs from the masked one by {float((a - b).abs().max()):.3g}: please report it"
        )


def _stored(network: nn.Module, layers: list[str], folder: Path) -> FileBytes:
    """The bytes of the files that are really written; the one in CSR with narrow indices stays."""
    kinds = {"dense": ("dense", None), "coo": ("coo", None), "csr": ("csr", None), "csr64": ("csr", torch.int64)}
    sizes = {}
    for name, (layout, index) in kinds.items():
        path = folder / f"{name}.safetensors"
        save_sparse(network, path, layout, layers, index)
        sizes[name] = path.stat().st_size
        if name != "csr":
            path.unlink()
    return FileBytes(**sizes)


def _times(
    parts: Parts, request: SparsityRequest, found: PrunedWeights, compact: nn.Module, layers: list[str]
) -> tuple[RunTime, ...]:
    """Dense, masked at every forward pass, sparse, and smaller for real, timed in turns."""
    networks = {"dense": parts.network, "masked": mask_weights(copy.deepcopy(found.network), found.mask)}
    try:
        networks["sparse"] = sparse_network(found.network, layers)
    except ModelError as error:
        log.warning("no run time of a sparse network: %s", error)
    if sum(p.numel() for p in compact.parameters()) < sum(p.numel() for p in found.network.parameters()):
        networks["smaller"] = compact
    images = inputs_of(next(iter(parts.data.test_dataloader())))[: request.batch].contiguous()

    def runs(network: nn.Module) -> object:
        with torch.inference_mode():
            return network(images)

    ready = {name: copy.deepcopy(n).eval() if name != "sparse" else n for name, n in networks.items()}
    timed = interleaved({name: lambda n=n: runs(n) for name, n in ready.items()}, request.seconds)  # type: ignore[misc]
    rows = []
    for name, each in timed.items():
        faster = times_faster(each, timed["dense"])
        rows.append(
            RunTime(
                name,
                each.median_ms,
                faster.estimate,
                faster.low,
                faster.high,
                each.disturbed,
                len(images),
                torch.get_num_threads(),
            )
        )
    return tuple(rows)


def layer_accuracies(parts: Parts, request: SparsityRequest) -> list[LayerAccuracy]:
    """Validation accuracy with one layer at a time cut, the others whole and nothing trained: which layer is most sensitive."""
    layers = list(weight_layers(parts.network, request.include, request.exclude))
    chosen = request.cutting
    if chosen.level == "channel":
        raise ModelError(
            "sparsity.sensitivity cuts weights of one layer at a time: easiedge sensitivity does so with units"
        )
    cutting, found = Cutting(chosen.criterion, chosen.level, chosen.scope, chosen.options), []
    with Bar(len(layers) * len(request.sensitivity), "layers alone", "accuracies") as bar:
        for layer in layers:
            own = weight_layers(parts.network, [layer])
            if chosen.level != "weight" and next(iter(own.values())).weight.ndim < 3:  # type: ignore[operator,union-attr]
                continue
            for ratio in request.sensitivity:
                cut = cutting(parts.network, own, list(parts.calibration), ratio, groups=parts.groups)
                if cut.values:
                    moved = copy.deepcopy(parts.network)
                    write_values(moved, cut.values)
                    accuracy = parts.stages.validate(moved)
                else:
                    with weights_masked(parts.network, cut.mask):
                        accuracy = parts.stages.validate(parts.network)
                found.append(LayerAccuracy(layer, ratio, cut.mask.share_removed(), accuracy))
                bar.step(f"{layer} {ratio:.0%}")
    return found
