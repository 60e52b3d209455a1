"""The end of ``easiedge search``: which design it is, its networks, figures and pictures in the run directory."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch import Tensor, nn

from easiedge.assembly import Parts
from easiedge.deploy.artifact import WEIGHTS, load, save
from easiedge.deploy.provenance import add_provenance
from easiedge.model.count import count
from easiedge.plain_values import finite
from easiedge.report.kept_share import kept_shares
from easiedge.report.layers_table import layer_rows
from easiedge.report.metrics import dense_figures
from easiedge.report.network_provenance import network_provenance
from easiedge.report.pictures import title_of
from easiedge.report.record import log_results, write_layers, write_metrics
from easiedge.report.search_picture import PICTURE, draw_search
from easiedge.report.search_record import improvements, nonzero_counts, search_figures, search_metrics, write_steps
from easiedge.report.search_terminal import search_table
from easiedge.resume import check_still_there
from easiedge.schedule.prune import take_images
from easiedge.search.choose_design import best_design
from easiedge.search.request import SearchRequest
from easiedge.search.tq_storage import store
from easiedge.structure_search import Design, structure_search
from easiedge.surgery.equivalence import prove_equivalence
from easiedge.surgery.shrink import shrink

SPARSE = "sparse.safetensors"  # what TQ leaves, in as few bytes as it needs
PROVED = 1024  # validation images


def with_family(cfg: DictConfig, request: SearchRequest) -> DictConfig:
    """The configuration with the first family in place of ``model``, where there are families."""
    if not request.families:
        return cfg
    made: DictConfig = copy.deepcopy(cfg)
    made.model = {"_target_": f"easiedge.model.tiny.{request.families[0]}", "_partial_": True}
    return made


def search_and_save(
    parts: Parts, cfg: DictConfig, request: SearchRequest, seconds: Callable[[], dict[str, float]]
) -> dict[str, Any]:
    """Search, write the run directory, return the figures."""
    designs = structure_search(parts, request, cfg.data.batch_size)
    chosen = designs[best_design({name: d.figures for name, d in designs.items()}, request.choose)]
    method = HydraConfig.get().runtime.choices["search"]
    parts = replace(
        parts, network=chosen.network, groups=chosen.groups,
        names=replace(parts.names, model=chosen.name, method=method),
    )  # fmt: skip
    _save(parts, cfg, designs, chosen)
    metrics = _figures(parts, designs, chosen, request, seconds)
    check_still_there(parts.directory, also="config.yaml")
    _write(parts, metrics, designs, chosen)
    return metrics


def _save(parts: Parts, cfg: DictConfig, designs: dict[str, Design], chosen: Design) -> None:
    """``dense/``, ``pruned/`` (after TQ, where it was asked for), ``structured/`` before it, and ``designs/`` where there are several."""
    if not parts.weighted:
        save(chosen.network, parts.directory / "dense", network_provenance(parts, cfg))
    mask = chosen.progress.structure.mask({g.name: g.size for g in chosen.groups})
    about = network_provenance(parts, cfg, mask)
    save(_final(chosen), parts.directory / "pruned", about)
    if chosen.tq is not None:
        save(chosen.progress.structure.network, parts.directory / "structured", about)
    if len(designs) > 1:
        for name, each in designs.items():
            of_family = replace(parts, network=each.network, groups=each.groups, names=replace(parts.names, model=name))
            save(_final(each), parts.directory / "designs" / name, network_provenance(of_family, cfg))


def _final(design: Design) -> nn.Module:
    return design.tq.network if design.tq is not None else design.progress.structure.network


def _figures(
    parts: Parts, designs: dict[str, Design], chosen: Design, request: SearchRequest, seconds: Callable[[], dict[str, float]]
) -> dict[str, Any]:  # fmt: skip
    """All figures; the test set is read here, once, for the design that was chosen on validation images."""
    example = parts.calibration[0][0][:2]
    mask = chosen.progress.structure.mask({g.name: g.size for g in chosen.groups})
    cut = shrink(chosen.network, chosen.groups, mask, example)
    proof = prove_equivalence(
        chosen.network, chosen.groups, mask, cut, take_images(parts.data.val_dataloader(), PROVED)
    )
    dense = dense_figures(parts, test_accuracy(parts, chosen.network))
    artifact = load(parts.directory / "pruned")
    pruned = {
        "accuracy": test_accuracy(parts, artifact), "accuracy_before_finetune": test_accuracy(parts, cut),
        "val_accuracy": parts.stages.validate(artifact), **count(artifact, example), "filters": sum(mask.kept().values()),
    }  # fmt: skip
    found: dict[str, Any] = {
        "T": request.T, "threshold": chosen.floor, "dense_val_accuracy": chosen.start.accuracy, **search_figures(chosen.progress.steps),
        "structured": _structured(parts, chosen, dense, example),
        "families": {name: {**d.figures, **search_figures(d.progress.steps)} for name, d in designs.items()},
    }  # fmt: skip
    if chosen.tq is not None:
        counts = {"accuracy": pruned["accuracy"], **nonzero_counts(artifact, example)}
        zeros, weights = chosen.tq.zeros
        found["tq"] = {
            **counts, **improvements(dense, counts), "val_accuracy": chosen.tq.quality.accuracy, "threshold": chosen.tq.threshold,
            "digits": chosen.tq.digits, "zeros": zeros, "weights": weights, **_stored(parts, chosen.tq.network),
        }  # fmt: skip
    spent = {**seconds(), "search": sum(search_figures(d.progress.steps)["seconds"] for d in designs.values())}
    about = {"max_abs_diff": proof.max_abs_diff, "images": proof.images}
    return search_metrics(parts, dense, pruned, found, about, spent)


def _stored(parts: Parts, network: nn.Module) -> dict[str, Any]:
    """Write ``sparse.safetensors``; its bytes beside those of plain storage."""
    size, layout = store(network, parts.directory / SPARSE)
    plain = (parts.directory / "pruned" / WEIGHTS).stat().st_size
    return {"file": SPARSE, "layout": layout, "bytes": size, "plain_bytes": plain}


def _structured(parts: Parts, chosen: Design, dense: dict[str, Any], example: Tensor) -> dict[str, Any]:
    network = chosen.progress.structure.network
    counts = {"accuracy": test_accuracy(parts, network), **count(network, example)}
    return {**counts, **improvements(dense, counts), "val_accuracy": chosen.progress.structure.quality.accuracy}


def test_accuracy(parts: Parts, network: nn.Module) -> float:
    """Top-1 accuracy on the test split, in [0, 1]."""
    return parts.stages.quality(network, parts.data.test_dataloader())[0]


def _write(parts: Parts, metrics: dict[str, Any], designs: dict[str, Design], chosen: Design) -> None:
    directory: Path = parts.directory
    mask = chosen.progress.structure.mask({g.name: g.size for g in chosen.groups})
    rows = layer_rows(chosen.network, load(directory / "pruned"), chosen.groups, parts.calibration[0][0][:2])
    shares = kept_shares(chosen.groups, mask, rows, parts.selection.collapse_share)
    add_provenance(directory / "pruned", {"metrics": finite(metrics)})
    write_layers(rows, shares, metrics, directory)
    steps = {name: d.progress.steps for name, d in designs.items()}
    write_steps(steps, directory)
    draw_search(steps, {name: d.floor for name, d in designs.items()}, directory / PICTURE, title_of(metrics))
    write_metrics(metrics, directory)
    log_results(parts.logger, metrics, rows, directory)
    search_table(metrics, directory)
