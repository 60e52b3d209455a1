"""The story of a run, read aloud: data and network, dense training, schedule, fine-tuning, artifact, figures."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch import nn

from easiedge.assembly import Parts, Ways, assemble
from easiedge.atomic import remove_half_written
from easiedge.deploy.artifact import load, save
from easiedge.deploy.provenance import add_provenance
from easiedge.errors import EasiEdgeError, ProcessError, WriteError
from easiedge.fidelity import fidelity
from easiedge.fidelity_request import request_of
from easiedge.latency_table import latency_of_device
from easiedge.model.gates import masked
from easiedge.model.graph import device_of
from easiedge.plain_values import finite
from easiedge.processes import told
from easiedge.refusal import of_writing
from easiedge.report.classifiers_record import Classifiers, print_classifiers, write_classifiers
from easiedge.report.fidelity_pictures import draw_fidelity
from easiedge.report.fidelity_record import write_fidelity
from easiedge.report.fidelity_terminal import fidelity_tables
from easiedge.report.kept_share import kept_shares
from easiedge.report.kept_share_terminal import print_kept_shares
from easiedge.report.layers_table import layer_rows
from easiedge.report.metrics import pruning_metrics, sparsity_metrics, training_metrics
from easiedge.report.network_provenance import network_provenance
from easiedge.report.record import flat, log_results, log_tables, write_config, write_layers, write_metrics
from easiedge.report.sensitivity_pictures import draw_sensitivity
from easiedge.report.sensitivity_record import LayerSensitivity, rows_of
from easiedge.report.sensitivity_terminal import print_sensitivity
from easiedge.report.sparsity_pictures import draw_sparsity
from easiedge.report.sparsity_record import rows_of as sparsity_rows
from easiedge.report.sparsity_record import write_sparsity
from easiedge.report.sparsity_terminal import print_sparsity
from easiedge.report.terminal import closing_table, dense_line
from easiedge.resume import begin_anew, check_still_there, finish, finished_before, keep_command
from easiedge.run_lock import locked
from easiedge.same_run import keep_settings, refuse_another_run
from easiedge.schedule.outcome import Outcome, Task
from easiedge.schedule.prune import take_images
from easiedge.schedule.selection import Selection
from easiedge.search.request import search_request
from easiedge.search_run import search_and_save, with_family
from easiedge.sensitivity import layer_sensitivity
from easiedge.sensitivity_request import sensitivity_request
from easiedge.sparsify import sparsity_record
from easiedge.sparsity_request import sparsity_request
from easiedge.surgery.equivalence import prove_equivalence
from easiedge.training.loggers import close_logger
from easiedge.training.resume.halt import Terminated

log = logging.getLogger(__name__)
STOPPED = "stopped: easiedge %s resume=%s goes on where it was"
PROVED = 1024  # validation images on which the removal is proved to have changed nothing


@contextmanager
def assembled(cfg: DictConfig, ways: Ways = Selection.ways, budgeted: bool = True) -> Iterator[Parts]:
    """The parts of a run that chooses units in these ``ways``; a run that fails or is interrupted is ended in its logger as failed."""
    parts = assemble(cfg, ways, budgeted)
    try:
        write_config(cfg, parts.directory)
        yield parts
    except BaseException:
        close_logger(parts.logger, failed=True)
        raise


def resumable(job: Callable[[DictConfig], dict[str, Any]]) -> Callable[[DictConfig], dict[str, Any]]:
    """A job that is alone in its directory, goes on where it was, and is not done again when it is finished."""

    def run(cfg: DictConfig) -> dict[str, Any]:
        directory = Path(HydraConfig.get().runtime.output_dir)
        with locked(directory, again=True):
            metrics = told(finished_before(cfg, job.__name__, directory))
            if metrics is not None:
                return metrics
            refuse_another_run(cfg, job.__name__, directory)
            begin_anew(directory)
            keep_command(job.__name__, directory)
            keep_settings(cfg, job.__name__, directory)
            try:
                metrics = job(cfg)
                _finish(cfg, job.__name__, directory)
            except (KeyboardInterrupt, Terminated, ProcessError):
                log.warning(STOPPED, job.__name__, directory)
                raise
            except (OSError, EasiEdgeError) as error:
                check_still_there(directory, error)
                if of_writing(error) and (directory / "config.yaml").exists():  # else nothing was begun
                    log.warning(STOPPED, job.__name__, directory)
                raise
            return metrics

    return run


def alone(job: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """A job that is alone in its directory."""

    def run(cfg: DictConfig) -> Any:
        with locked(Path(HydraConfig.get().runtime.output_dir), again=True):
            return job(cfg)

    return run


def _finish(cfg: DictConfig, command: str, directory: Path) -> None:
    """Mark the run as finished; its figures are written, so that a disk that has become full meanwhile costs only the mark."""
    try:
        finish(cfg, command, directory)
    except WriteError as error:
        log.warning("the run is whole, but is not marked as finished: %s", error)
    for name in (".", "dense", "pruned", "checkpoints"):
        remove_half_written(directory / name)


@resumable
def train(cfg: DictConfig) -> dict[str, Any]:
    """``easiedge train``: the dense baseline, saved under ``dense/``; its figures are returned and written."""
    clock = Clock()
    with assembled(cfg, lambda chosen: ()) as parts:
        train_dense(parts, cfg, clock)
        if parts.weighted:  # else it is there already
            save(parts.network, parts.directory / "dense", network_provenance(parts, cfg))
        metrics = training_metrics(parts, test_accuracy(parts, parts.network), clock.closed(parts))
        add_provenance(parts.directory / "dense", {"metrics": finite(metrics)})
        write_metrics(metrics, parts.directory)
        log_results(parts.logger, metrics, [], parts.directory)
        dense_line(metrics, parts.directory)
        return metrics


@resumable
def prune(cfg: DictConfig) -> dict[str, Any]:
    """``easiedge prune``: train or load, prune, fine-tune, save, measure; its figures are returned and written."""
    clock = Clock()
    with assembled(cfg) as parts:
        train_dense(parts, cfg, clock)
        outcome = run_schedule(parts, clock)
        proof = prove_equivalence(
            outcome.network,
            outcome.groups,
            outcome.within,
            outcome.compact,
            take_images(parts.data.val_dataloader(), PROVED),
        )
        log.info(
            "removed for real: masked and shrunk networks differ by at most %.2g on %d images",
            proof.max_abs_diff,
            proof.images,
        )
        compact = finetune(parts, outcome, clock)
        save(compact, parts.directory / "pruned", network_provenance(parts, cfg, outcome.mask))
        accuracies = closing_accuracies(parts, outcome) | {"val": parts.stages.validate(compact)}
        metrics = pruning_metrics(
            parts, outcome, compact, accuracies, test_of_levels(parts, outcome), proof, clock.closed(parts)
        )
        check_still_there(parts.directory, also="config.yaml")
        rows = layer_rows(parts.network, compact, parts.groups, parts.calibration[0][0][:2])
        shares = kept_shares(parts.groups, outcome.mask, rows, parts.selection.collapse_share)
        add_provenance(parts.directory / "pruned", {"metrics": finite(metrics)})
        write_layers(rows, shares, metrics, parts.directory)
        write_metrics(metrics, parts.directory)
        log_results(parts.logger, metrics, rows, parts.directory)
        closing_table(metrics, parts.directory)
        print_kept_shares(shares)
        return metrics


@resumable
def search(cfg: DictConfig) -> dict[str, Any]:
    """``easiedge search``: train or load, search for the smallest structure, threshold, save, measure; its figures are returned and written."""
    clock = Clock()
    request = search_request(cfg.search, cfg.weights)
    cfg = with_family(cfg, request)
    with assembled(cfg, lambda chosen: (), budgeted=False) as parts:
        return search_and_save(parts, cfg, request, lambda: clock.closed(parts))


def score(cfg: DictConfig) -> dict[str, Any]:
    """``easiedge score``: criteria beside the exact information gain; tables and pictures are written, the record is returned."""
    clock = Clock()
    request = request_of(cfg.fidelity, cfg.seed)
    with assembled(cfg, request.ways) as parts:
        train_dense(parts, cfg, clock)
        try:
            found = fidelity(parts, request, keep=lambda so_far: write_fidelity(so_far, parts.directory))
        except (KeyboardInterrupt, Terminated):
            log.warning(
                "stopped: the same command with hydra.run.dir=%s goes on with the oracle where it was", parts.directory
            )
            raise
        record = write_fidelity(found, parts.directory)
        pictures = draw_fidelity(found, record, parts.directory)
        summary = {f"spearman/{row['criterion']}": row.get("spearman") for row in record["criteria"]}
        log_tables(
            parts.logger,
            summary,
            {name: record[name] for name in ("criteria", "layers", "curves") if record[name]},
            pictures,
        )
        fidelity_tables(record, parts.directory)
        return record


def sensitivity(cfg: DictConfig) -> LayerSensitivity:
    """``easiedge sensitivity``: accuracy as one layer at a time loses units; tables and pictures are written."""
    clock, request = Clock(), sensitivity_request(cfg.sensitivity)
    with assembled(cfg, request.ways) as parts:
        train_dense(parts, cfg, clock)
        try:
            found = layer_sensitivity(parts, request)
        except (KeyboardInterrupt, Terminated):
            log.warning("stopped: the same command with hydra.run.dir=%s goes on with the next layer", parts.directory)
            raise
        pictures = draw_sensitivity(found, parts.directory)
        summary = {"sensitivity/dense_accuracy": found.dense} | {
            f"lost/{name}": lost for name, lost in found.lost().items()
        }
        log_tables(parts.logger, summary, {"sensitivity": rows_of(found)}, pictures)
        print_sensitivity(found, parts.directory)
        return found


def classifiers(cfg: DictConfig) -> Classifiers:
    """``easiedge classifiers``: classical classifiers on the network's features; a table is written."""
    from easiedge.classifiers.request import classifiers_request  # scikit-learn takes a second to import
    from easiedge.classifiers.study import classifiers_on

    clock, request = Clock(), classifiers_request(cfg.classifiers)
    with assembled(cfg, lambda chosen: ()) as parts:
        train_dense(parts, cfg, clock)
        found = classifiers_on(parts, request)
        write_classifiers(found, parts.directory)
        summary = {f"accuracy/{row.name}": row.test_accuracy for row in found.rows}
        log_tables(parts.logger, summary, {"classifiers": [asdict(row) for row in found.rows]}, ())
        print_classifiers(found, parts.directory)
        return found


@resumable
def sparsify(cfg: DictConfig) -> dict[str, Any]:
    """``easiedge sparsify``: weights pruned at several ratios; figures, tables and pictures are written, the last network is saved."""
    clock, request = Clock(), sparsity_request(cfg.sparsity, cfg.seed)
    with assembled(cfg, lambda chosen: ()) as parts:
        request.layers(parts.network)  # refused before any training
        train_dense(parts, cfg, clock)
        found, last = sparsity_record(parts, request, keep=lambda so_far: write_sparsity(so_far, parts.directory))
        save(last.compact, parts.directory / "pruned", network_provenance(parts, cfg))
        metrics = sparsity_metrics(parts, found, last.proof, clock.closed(parts))
        add_provenance(parts.directory / "pruned", {"metrics": finite(metrics)})
        write_metrics(metrics, parts.directory)
        pictures = draw_sparsity(found, parts.directory)
        log_tables(parts.logger, flat(finite(metrics)), {"sparsity": sparsity_rows(found)}, pictures)
        print_sparsity(found, parts.directory)
        return metrics


def train_dense(parts: Parts, cfg: DictConfig, clock: Clock) -> None:
    """Train the dense network unless it came with weights or another job of the sweep has, and keep it for later runs."""
    if parts.weighted:
        return

    def fresh() -> None:
        clock.add("train", parts.stages.train(parts.network, recipe="train", stage="dense training").seconds)

    if parts.pretrained:
        log.info("the dense network is the published one: it is not trained")
    elif parts.shared is None:
        fresh()
    else:
        parts.shared(parts.network, parts.stages, fresh)
    pl.seed_everything(parts.seed, workers=True, verbose=False)  # what follows is the same, trained here or loaded
    save(parts.network, parts.directory / "dense", network_provenance(parts, cfg))


def run_schedule(parts: Parts, clock: Clock) -> Outcome:
    """Prune to the budget by the method's schedule."""
    task = Task(
        parts.network,
        parts.groups,
        parts.budget,
        parts.selection,
        parts.calibration,
        parts.stages.train,
        parts.stages.validate,
        log.info,
    )
    log.info("pruning %d units in %d groups", sum(g.size for g in parts.groups), len(parts.groups))
    outcome = parts.schedule(task)
    clock.add("score", looked_up(parts))
    for stage, seconds in outcome.seconds.items():
        clock.add(stage, seconds)
    return outcome


def finetune(parts: Parts, outcome: Outcome, clock: Clock) -> nn.Module:
    """Train a copy of the smaller network, with the dense one as tutor; the best validation epoch stays.

    It takes the epochs of its recipe and those that the schedule did not need.
    """
    compact = copy.deepcopy(outcome.compact)
    epochs = parts.stages.recipes["finetune"].epochs + outcome.epochs_left
    found = parts.stages.train(
        compact, recipe="finetune", epochs=epochs, stage="fine-tuning", tutor=parts.network, keep_start=True
    )
    clock.add("finetune", found.seconds)  # of all sessions, where the run was stopped within
    return compact.eval()


def closing_accuracies(parts: Parts, outcome: Outcome) -> dict[str, float]:
    """The one reading of the test set: dense, masked (NaN where ``masked_test`` is false), removed, and the artifact loaded back."""
    under_gates = float("nan")
    if parts.masked_test:
        with masked(outcome.network, outcome.groups, outcome.within):
            under_gates = test_accuracy(parts, outcome.network)
    return {
        "dense": test_accuracy(parts, parts.network),
        "masked": under_gates,
        "removed": test_accuracy(parts, outcome.compact),
        "pruned": test_accuracy(parts, load(parts.directory / "pruned")),
    }


def test_of_levels(parts: Parts, outcome: Outcome) -> list[tuple[float, float | None]]:
    """Test accuracy of each level before and after its fine-tuning, None where the closing one follows; read with the rest, chosen by nothing."""
    return [
        (test_accuracy(parts, before), None if after is None else test_accuracy(parts, after))
        for before, after in outcome.level_networks
    ]


def test_accuracy(parts: Parts, network: nn.Module) -> float:
    """Top-1 accuracy on the test split, in [0, 1]."""
    return parts.stages.quality(network.to(device_of(parts.network)), parts.data.test_dataloader())[0]


def looked_up(parts: Parts) -> float:
    """Seconds that scores took in the job that computed them, where this one found them."""
    return float(getattr(parts.selection.scorer, "spared", 0.0))


class Clock:
    """Seconds by stage, and what this job spared: stages of earlier sessions, scores that another job of the sweep computed.

    So the total is what the run takes alone and at one go, but for accuracies and dense weights that are looked up.
    """

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.seconds = dict.fromkeys(("train", "score", "admm", "finetune"), 0.0)

    def add(self, stage: str, seconds: float) -> None:
        """Add to a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def closed(self, parts: Parts) -> dict[str, float]:
        """All stages and the total."""
        earlier = parts.stages.memory.earlier if parts.stages.memory is not None else 0.0
        return {**self.seconds, "total": time.perf_counter() - self.started + earlier + looked_up(parts)}


JOBS: dict[str, Callable[[DictConfig], Any]] = {
    "train": train,
    "prune": prune,
    "search": search,
    "score": alone(score),
    "sensitivity": alone(sensitivity),
    "classifiers": alone(classifiers),
    "sparsify": sparsify,
    "latency": alone(latency_of_device),
}
