"""From a composed configuration to the parts of a run; everything that can be wrong with a request is found here."""

from __future__ import annotations

import fnmatch
import inspect
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn

from easiedge.check_kinds import check_kinds
from easiedge.data.folds import deal, expect
from easiedge.data.image_data import ImageData
from easiedge.device import Device, device_of_run
from easiedge.errors import BudgetError, EasiEdgeError, ModelError, TrainingError
from easiedge.memory_check import Choosing, check_memory
from easiedge.model.architecture import describe
from easiedge.model.cost import NetworkCost, network_cost
from easiedge.model.filter_groups import find_groups
from easiedge.model.weights import load_weights, transfer_weights
from easiedge.processes import first, first_before_the_others, same_network
from easiedge.projection.budget import limits, slack
from easiedge.resume import FOLDER, SCORES, identity, run_memory
from easiedge.schedule.outcome import Schedule
from easiedge.schedule.selection import Selection
from easiedge.scoring.score_store import SharedScores
from easiedge.store import Store
from easiedge.targets import check_targets
from easiedge.trainer_options import check_trainer, check_trainer_here
from easiedge.training.curves import Curves
from easiedge.training.known_quality import KnownQuality
from easiedge.training.loggers import make_logger
from easiedge.training.recipe import Recipe
from easiedge.training.shared_training import SharedTraining
from easiedge.training.stages import Stages
from easiedge.unit import Budget, FilterGroup

log = logging.getLogger(__name__)
DEFAULT_BUDGET = 0.5
CALIBRATION_IMAGES = 1024
Ways = Callable[[Selection], Sequence[Choosing]]


@dataclass(frozen=True, eq=False)
class Names:
    """What a run is called: the options chosen on the command line."""

    data: str
    model: str
    method: str
    sweep: str | None


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a run.

    Attributes:
        network: on the device it will be scored and evaluated on; with weights if ``weights=`` was given.
        weighted: whether it was.
        pretrained: whether it came with published weights for the very classes of the data, and needs no dense training either.
        device: what is known of the device, if ``device=`` names one.
        directory: the run directory.
        shared: dense training that a sweep does once; None outside a sweep.
        masked_test: whether the test set is read under gates too.
    """

    names: Names
    seed: int
    directory: Path
    data: ImageData
    network: nn.Module
    weighted: bool
    groups: Sequence[FilterGroup]
    budget: Budget
    schedule: Schedule
    selection: Selection
    calibration: Sequence[Any]
    stages: Stages
    logger: Logger | None
    device: Device | None
    shared: SharedTraining | None = None
    pretrained: bool = False
    masked_test: bool = True


def assemble(cfg: DictConfig, ways: Ways = Selection.ways, budgeted: bool = True) -> Parts:
    """Make every part, cheapest checks first, and say what memory choosing units will take in these ``ways``.

    Args:
        cfg: the composed configuration.
        ways: in which units will be chosen.
        budgeted: False for a command that has no budget; one that is given is then refused.

    Raises:
        EasiEdgeError: whatever is wrong with the request.
    """
    try:
        return _assemble(cfg, ways, budgeted)
    except (TypeError, ValueError) as error:
        raise EasiEdgeError(
            f"the configuration holds a value of the wrong kind ({error}): see easiedge prune --help"
        ) from error


def _calibration_images(asked: int | None, there: int, overrides: Sequence[str]) -> int:
    """How many to take: a number out of an experiment's file is no more than there are; one that the user typed is held to, or refused."""
    typed = any(re.match(r"\+{0,2}calibration(\.images)?=", override) for override in overrides)
    if asked is None or asked <= there or typed:
        return min(CALIBRATION_IMAGES, there) if asked is None else asked
    log.info("calibration.images=%d, but there are %d training images: all of them are taken", asked, there)
    return there


def _assemble(cfg: DictConfig, ways: Ways, budgeted: bool) -> Parts:
    check_kinds(cfg)
    check_targets(cfg, HydraConfig.get().overrides.task)
    names = _names(cfg)
    budget = make_budget(cfg.budget) if budgeted else no_budget(cfg.budget)
    check_trainer(cfg.trainer.options)
    selection, schedule = make_selection(cfg), instantiate(cfg.schedule)
    recipes = {str(name): make_recipe(cfg, str(name)) for name in cfg.recipe}
    directory = Path(HydraConfig.get().runtime.output_dir)
    shared = shared_folder()
    scores = directory / FOLDER / SCORES if shared is None else shared / "scores"
    selection = replace(selection, scorer=SharedScores(Store(scores)))
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    data: ImageData = instantiate(cfg.data)
    expect(data, cfg.folds)
    with first_before_the_others():  # which then find what it fetched and decoded
        data.setup()
    deal(data, cfg.folds, cfg.seed)
    check_trainer_here(cfg.trainer.options, data.train_dataloader(), data.val_dataloader())
    network = same_network(make_network(cfg, data))
    images = _calibration_images(cfg.calibration.images, len(data.train), HydraConfig.get().overrides.task)
    calibration = data.calibration_batches(images, cfg.calibration.batch_size, cfg.seed)
    example = calibration[0][0][:2]
    describe(network)  # refuse what could not be saved in the end
    groups = chosen_groups(find_groups(network, example), cfg.groups)
    timed = budget.latency_ms_max is not None
    check_budget(
        replace(budget, latency_ms_max=None), groups, network, example, selection
    )  # before minutes of measuring
    check_memory(network, groups, calibration, ways(selection))
    device = device_of_run(cfg.device, timed, network, groups, example, cfg.seed, directory, shared)
    if device is not None:
        selection = replace(selection, latency=device.latency, clock=device.clock)
    cost = check_budget(budget, groups, network, example, selection)
    for limit in slack(budget, cost):
        log.warning("%s holds already for the dense network: nothing has to go for it", limit)
    logger = make_logger(
        cfg.logger.kind, directory, project=cfg.logger.project, name=_title(names, cfg.seed, directory),
        identity=identity(cfg, directory), group=cfg.logger.group or names.sweep,
        tags=[names.method, names.model, names.data, *cfg.logger.tags], online=cfg.logger.online,
        config={**OmegaConf.to_container(cfg, resolve=True), "study": asdict(names)},  # type: ignore[dict-item]
    )  # fmt: skip
    stages = Stages(
        data.train_dataloader(), data.val_dataloader(), recipes, precision=cfg.trainer.precision, logger=logger,
        seed=cfg.seed, progress=cfg.trainer.progress, directory=directory if first() else None,
        options=OmegaConf.to_container(cfg.trainer.options, resolve=True),  # type: ignore[arg-type]
        curves=Curves(directory / "curves.csv"), memory=run_memory(cfg, network, directory),
        quality=KnownQuality(None if shared is None else Store(shared / "quality")), calibration=calibration,
    )  # fmt: skip
    return Parts(
        names,
        cfg.seed,
        directory,
        data,
        network,
        cfg.weights is not None,
        groups,
        budget,
        schedule,
        selection,
        calibration,
        stages,
        logger,
        device,
        SharedTraining(Store(shared / "dense"), directory.name) if shared is not None else None,
        bool(cfg.model.get("pretrained", False)) and getattr(data, "pretrained_classes", False),
        cfg.masked_test,
    )


def check_budget(
    budget: Budget, groups: Sequence[FilterGroup], network: nn.Module, example: Tensor, selection: Selection
) -> NetworkCost:
    """The cost function for the budget.

    Raises:
        BudgetError: the budget cannot be met.
    """
    cost = network_cost(network, groups, example, budget, selection.latency)
    if budget.asked():
        limits(budget, groups, cost, selection.floors)
    return cost


def shared_folder() -> Path | None:
    """Where the jobs of a sweep keep what they share: ``shared/`` in the sweep's directory; None outside a sweep."""
    hydra = HydraConfig.get()
    if hydra.mode is not RunMode.MULTIRUN:
        return None
    return Path(hydra.runtime.cwd) / hydra.sweep.dir / "shared"


def _names(cfg: DictConfig) -> Names:
    hydra = HydraConfig.get()
    chosen = hydra.runtime.choices
    model = cfg.model.get("name") or str(cfg.model._target_).rpartition(".")[2]
    sweep = Path(hydra.sweep.dir).name if str(hydra.mode).endswith("MULTIRUN") else None
    return Names(chosen["data"], model, chosen["method"], sweep)


def _title(names: Names, seed: int, directory: Path) -> str:
    """What loggers call the run; the jobs of a sweep are told apart by their directories."""
    return "-".join([names.method, names.model, names.data, str(seed), *([directory.name] if names.sweep else [])])


def make_budget(cfg: DictConfig) -> Budget:
    """The budget that was asked for; half of the filters when none was."""
    given = {str(name): value for name, value in cfg.items() if value is not None}
    if not given:
        given = {"filters_removed": DEFAULT_BUDGET}
    return Budget(**given)


def no_budget(cfg: DictConfig) -> Budget:
    """A budget that asks for nothing.

    Raises:
        BudgetError: one was asked for.
    """
    given = [f"budget.{name!s}={value}" for name, value in cfg.items() if value is not None]
    if given:
        raise BudgetError(f"{given[0]} is for easiedge prune: a search goes on as far as accuracy allows, see search.T")
    return Budget()


def make_recipe(cfg: DictConfig, name: str) -> Recipe:
    """The recipe ``name``: train, admm or finetune.

    Raises:
        TrainingError: a value that cannot train, by its name in the configuration.
    """
    try:
        made: Recipe = instantiate(cfg.recipe[name])
    except InstantiationException as error:
        if isinstance(error.__cause__, TrainingError):
            raise TrainingError(str(error.__cause__).replace("recipe.", f"recipe.{name}.")) from error
        raise
    return made


def make_selection(cfg: DictConfig) -> Selection:
    """Criterion, projection and compensation as one value."""
    fit = cfg.compensation.name == "least_squares"
    floor = cfg.projection.min_units
    return Selection(
        criterion=cfg.scoring.criterion, options=dict(cfg.scoring.options), chunk=cfg.scoring.chunk,
        first_order=bool(cfg.scoring.get("first_order", False)), scope=cfg.projection.scope, ranking=cfg.projection.ranking,
        min_units=dict(floor) if isinstance(floor, DictConfig) else floor, max_ratio=cfg.projection.max_ratio,
        round_to=cfg.projection.round_to, collapse=cfg.projection.collapse,
        collapse_share=cfg.projection.collapse_share,
        compensation="least_squares" if fit else None, ridge=cfg.compensation.ridge,
        positions=cfg.compensation.positions, interleaved=cfg.compensation.interleaved, rebase=cfg.compensation.rebase,
    )  # fmt: skip


def make_network(cfg: DictConfig, data: ImageData) -> nn.Module:
    """The network for the data's images and classes, with the weights asked for, on the GPU where there is one.

    Weights from ``weights=`` or ``transfer=`` take the place of those that ``model.pretrained=true`` would download.

    Raises:
        ModelError: unknown model, weights that do not fit, or images of a size the network cannot take.
    """
    channels, height, width = data.input_shape
    builder = instantiate(
        cfg.model,
        **({"pretrained": False} if (cfg.weights or cfg.transfer) is not None and "pretrained" in cfg.model else {}),
    )
    known = inspect.signature(builder).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in known.values())
    offered = {
        "num_classes": data.num_classes,
        "in_channels": channels,
        "image_size": height,
        "input_shape": data.input_shape,
    }
    network: nn.Module = builder(
        **{k: v for k, v in offered.items() if k in known or (k == "num_classes" and takes_any)}
    )
    if cfg.weights is not None and cfg.transfer is not None:
        raise EasiEdgeError(
            "weights= and transfer= do not go together: weights=FILE takes all of a network, transfer=FILE all but its last layer"
        )
    if cfg.weights is not None:
        load_weights(network, cfg.weights)
    elif cfg.transfer is not None:
        transfer_weights(network, cfg.transfer)
    if torch.cuda.is_available() and cfg.trainer.options.get("accelerator") != "cpu":
        network.cuda()
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(2, channels, height, width, device=next(network.parameters()).device))
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0][:160]
        raise ModelError(
            f"{type(network).__name__} does not take images of {channels}x{height}x{width} ({first}): "
            "choose another model, or another data.image_size"
        ) from error
    return network.train()


def chosen_groups(groups: Sequence[FilterGroup], cfg: DictConfig) -> list[FilterGroup]:
    """The groups whose names match ``include`` and not ``exclude``.

    Raises:
        EasiEdgeError: none is left.
    """
    chosen = [
        g
        for g in groups
        if any(fnmatch.fnmatch(g.name, p) for p in cfg.include)
        and not any(fnmatch.fnmatch(g.name, p) for p in cfg.exclude)
    ]
    if not chosen:
        raise EasiEdgeError(
            f"groups.include={list(cfg.include)} and exclude={list(cfg.exclude)} leave none of "
            f"{', '.join(g.name for g in groups[:8])}"
        )
    return chosen
