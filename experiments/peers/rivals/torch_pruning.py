"""Torch-Pruning (Fang et al., *DepGraph*, CVPR 2023) chooses the units; easiedge trains, removes and measures as for every other method.

    easiedge prune schedule._target_=rivals.torch_pruning.TorchPruning +schedule.importance=taylor     # with this folder on PYTHONPATH

The whole of Torch-Pruning is met in this file.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch_pruning as tp
from numpy.typing import NDArray
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F

from easiedge.errors import BudgetError, EasiEdgeError
from easiedge.model.cost import network_cost
from easiedge.model.graph import device_of, evaluating
from easiedge.projection.budget import limits
from easiedge.schedule.outcome import Outcome, Task
from easiedge.scoring.batches import inputs_of
from easiedge.unit import FilterGroup, FilterMask
from rivals.stream import joined_by_padding

BATCH_NORM = [nn.modules.batchnorm._BatchNorm]
IMPORTANCES: dict[str, Callable[[], Any]] = {
    "magnitude": lambda: tp.importance.GroupMagnitudeImportance(p=2),
    "l1": lambda: tp.importance.GroupMagnitudeImportance(p=1),
    "lamp": lambda: tp.importance.LAMPImportance(p=2),
    "fpgm": lambda: tp.importance.FPGMImportance(p=2),
    "taylor": lambda: tp.importance.GroupTaylorImportance(),
    "hessian": lambda: tp.importance.GroupHessianImportance(),
    "group_norm": lambda: tp.importance.GroupMagnitudeImportance(p=2, normalizer="max"),
    "bn_scale": lambda: tp.importance.BNScaleImportance(),
}
SPARSE = {"group_norm": tp.pruner.GroupNormPruner, "bn_scale": tp.pruner.BNScalePruner}
"""Importances that rest on training with a regulariser before."""
SCOPES = ("global", "isomorphic", "layerwise")


@dataclass(frozen=True)
class TorchPruning:
    """Removal by Torch-Pruning in small steps until the budget is met, behind sparse training where the importance asks for it.

    Small steps, as in its own examples: its largest ratio of a layer is looked at between steps only, and a single global step
    may empty one.

    Attributes:
        importance: one of `IMPORTANCES`.
        scope: ``global``, ``isomorphic`` (Fang et al., ECCV 2024) or ``layerwise``.
        max_ratio: largest share of a layer's channels that may go.
        steps: steps from the dense network to none; as many are taken as the budget needs.
        sparse_iterations: lengths of one of ADMM's W-steps that are trained with the regulariser, by the W-steps' recipe; 0 with the others.
        epochs_per_iteration: of these.
        reg: the regulariser's strength.
        images: calibration images for gradients, at most.
    """

    importance: str = "magnitude"
    scope: str = "global"
    max_ratio: float = 0.9
    steps: int = 400
    sparse_iterations: int = 0
    epochs_per_iteration: int = 1
    reg: float = 1e-4
    images: int = 1024

    def __post_init__(self) -> None:
        """Refuse what Torch-Pruning does not have."""
        if self.importance not in IMPORTANCES or self.scope not in SCOPES:
            raise EasiEdgeError(
                f"schedule.importance={self.importance}, schedule.scope={self.scope}: choose from "
                f"{', '.join(IMPORTANCES)}, and from {', '.join(SCOPES)}"
            )
        if self.sparse_iterations and self.importance not in SPARSE:
            raise EasiEdgeError(
                f"schedule.sparse_iterations={self.sparse_iterations}: Torch-Pruning has no regulariser for {self.importance}, "
                f"only for {' and '.join(SPARSE)}"
            )

    @property
    def training_epochs(self) -> int:
        """Those of sparse training."""
        return self.sparse_iterations * self.epochs_per_iteration

    def __call__(self, task: Task) -> Outcome:
        """Prune ``task.network`` to the budget."""
        start = time.perf_counter()
        network = copy.deepcopy(task.network)
        example = inputs_of(task.calibration[0])[:2].to(device_of(network))
        if self.sparse_iterations:
            regulariser = _Regulariser(self._pruner(network, task.groups, example, IMPORTANCES[self.importance]()))
            task.train(
                network,
                recipe="admm",
                epochs=self.training_epochs,
                stage="sparse training",
                callbacks=[regulariser],
                tutor=task.network,
                keep_best=False,
            )
        trained = time.perf_counter()
        if self.importance in ("taylor", "hessian"):
            gradients(network, task.calibration, self.images, squared=self.importance == "hessian")
        cost = network_cost(task.network, task.groups, example, task.budget)
        goal = limits(task.budget, task.groups, cost, task.selection.floors)
        mask = self.mask(network, task.groups, example, goal.met)
        network.zero_grad(set_to_none=True)
        network, compact = task.selection.remove(network, task.groups, mask, task.calibration)
        seconds = {"sparse": trained - start, "score": time.perf_counter() - trained}
        return Outcome(network, task.groups, mask, mask, compact, seconds=seconds)

    def mask(
        self,
        network: nn.Module,
        groups: Sequence[FilterGroup],
        example: Tensor,
        enough: Callable[[NDArray[np.float64]], bool],
    ) -> FilterMask:
        """What Torch-Pruning removes until ``enough`` holds of the units each group keeps, within its last step too; ``network`` is left as it was.

        Raises:
            BudgetError: it never does.
        """
        working = copy.deepcopy(network)
        for copied, p in zip(working.parameters(), network.parameters(), strict=True):
            copied.grad = None if p.grad is None else p.grad.clone()
        pruner = self._pruner(working, groups, example, IMPORTANCES[self.importance]())
        names = {module: name for name, module in working.named_modules()}
        left = {layer: torch.arange(int(g.produced(layer).max()) + 1) for g in groups for layer in g.layers}
        for _ in range(self.steps):
            for group in pruner.step(interactive=True):
                gone = {
                    names[dep.target.module]: list(index)
                    for dep, index in group
                    if pruner.DG.is_out_channel_pruning_fn(dep.handler) and names.get(dep.target.module) in left
                }
                for layer, index in gone.items():
                    stays = torch.ones(len(left[layer]), dtype=torch.bool)
                    stays[index] = False
                    left[layer] = left[layer][stays]
                group.prune()
                found = as_mask(groups, left)
                if enough(np.array([float(found.keep[group.name].sum()) for group in groups])):
                    return found
        raise BudgetError(
            f"Torch-Pruning with schedule.max_ratio={self.max_ratio:g} cannot meet this budget: give a larger one, up to 1"
        )

    def _pruner(self, network: nn.Module, groups: Sequence[FilterGroup], example: Tensor, importance: Any) -> Any:
        made = SPARSE.get(self.importance, tp.pruner.BasePruner)
        own = {"reg": self.reg} if self.importance in SPARSE else {}
        modules = dict(network.named_modules())
        open_ = {layer for group in groups for layer in group.layers} - joined_by_padding(groups)
        norms = {
            m.layer for group in groups if open_.issuperset(group.layers) for m in group.members if m.axis == "out"
        } - open_
        kinds = (
            nn.Conv2d,
            nn.Linear,
            *BATCH_NORM,
        )  # norms too, or the regulariser of BN scale draws those to zero that stay
        ignored = [m for name, m in modules.items() if isinstance(m, kinds) and name not in open_ | norms]
        with evaluating(network):
            return made(
                network, example, importance, global_pruning=self.scope != "layerwise", isomorphic=self.scope == "isomorphic",
                pruning_ratio=1.0, max_pruning_ratio=self.max_ratio, iterative_steps=self.steps, ignored_layers=ignored, **own,
            )  # fmt: skip


class _Regulariser(Callback):
    """Adds the pruner's regulariser to the gradients, after the loss's are complete."""

    def __init__(self, pruner: Any) -> None:
        self.pruner = pruner

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The groups as they are now."""
        self.pruner.update_regularizer()

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """The gradient of the regulariser, in place."""
        self.pruner.regularize(self.pruner.model)


def gradients(network: nn.Module, batches: Sequence[Any], images: int, squared: bool) -> None:
    """Fill ``.grad`` with the mean gradient of the cross entropy, or with the mean of its squares per image.

    Torch-Pruning 1.6.1 keeps only the last image's square (its ``accumulate_grad`` looks names up among parameters), so the
    mean is taken here.
    """
    home = device_of(network)
    with evaluating(network), torch.enable_grad():
        network.zero_grad(set_to_none=True)
        total = {p: torch.zeros_like(p) for p in network.parameters() if p.requires_grad}
        seen = 0
        for x, y in _taken(batches, images, 1 if squared else 128):
            loss = F.cross_entropy(network(x.to(home)), y.to(home), reduction="sum")
            for p, g in zip(total, torch.autograd.grad(loss, list(total)), strict=True):
                total[p] += g.square() if squared else g
            seen += len(x)
        for p, g in total.items():
            p.grad = g / seen


def _taken(batches: Sequence[Any], images: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    for x, y in batches:
        x, y = x[:images], y[:images]
        images -= len(x)
        if len(x):
            yield from zip(x.split(size), y.split(size), strict=True)


def as_mask(groups: Sequence[FilterGroup], left: dict[str, Tensor]) -> FilterMask:
    """The mask that keeps channels ``left[layer]`` of every layer.

    Raises:
        EasiEdgeError: layers that are tied would lose different units, or parts of one.
    """
    keep = {}
    for group in groups:
        stays = [torch.isin(group.produced(layer), left[layer]) for layer in group.layers]
        for layer, s in zip(group.layers, stays, strict=True):
            if bool((s.any(1) != s.all(1)).any()) or bool((s.all(1) != stays[0].all(1)).any()):
                raise EasiEdgeError(f"Torch-Pruning does not remove whole units of group {group.name!r} at {layer!r}")
        keep[group.name] = stays[0].all(1)
    return FilterMask(keep)
