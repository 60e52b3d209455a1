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

import torch
import torch_pruning as tp
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from torch_pruning.pruner import function

from easiedge.errors import BudgetError, EasiEdgeError
from easiedge.model.cost import network_cost
from easiedge.model.graph import device_of, evaluating
from easiedge.projection.budget import limits
from easiedge.projection.limits import Limits
from easiedge.schedule.outcome import Outcome, Task
from easiedge.scoring.batches import inputs_of
from easiedge.surgery.shrink import shrink
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
HALVINGS = 14


@dataclass(frozen=True)
class TorchPruning:
    """One removal by Torch-Pruning at the ratio that just meets the budget, behind sparse training where the importance asks for it.

    Attributes:
        importance: one of `IMPORTANCES`.
        scope: ``global``, ``isomorphic`` (Fang et al., ECCV 2024) or ``layerwise``.
        max_ratio: largest share of a layer's channels that may go.
        sparse_epochs: epochs of training with the regulariser, by the recipe of ADMM's W-steps; 0 with the others.
        reg: the regulariser's strength.
        images: calibration images for gradients, at most.
    """

    importance: str = "magnitude"
    scope: str = "global"
    max_ratio: float = 0.9
    sparse_epochs: int = 0
    reg: float = 1e-4
    images: int = 1024

    def __post_init__(self) -> None:
        """Refuse what Torch-Pruning does not have."""
        if self.importance not in IMPORTANCES or self.scope not in SCOPES:
            raise EasiEdgeError(
                f"schedule.importance={self.importance}, schedule.scope={self.scope}: choose from "
                f"{', '.join(IMPORTANCES)}, and from {', '.join(SCOPES)}"
            )
        if self.sparse_epochs and self.importance not in SPARSE:
            raise EasiEdgeError(
                f"schedule.sparse_epochs={self.sparse_epochs}: Torch-Pruning has no regulariser for {self.importance}, "
                f"only for {' and '.join(SPARSE)}"
            )

    @property
    def training_epochs(self) -> int:
        """Those of sparse training."""
        return self.sparse_epochs

    def __call__(self, task: Task) -> Outcome:
        """Prune ``task.network`` to the budget."""
        start = time.perf_counter()
        network = copy.deepcopy(task.network)
        example = inputs_of(task.calibration[0])[:2].to(device_of(network))
        if self.sparse_epochs:
            regulariser = _Regulariser(self._pruner(network, task.groups, example, IMPORTANCES[self.importance](), 0.5))
            task.train(
                network,
                recipe="admm",
                epochs=self.sparse_epochs,
                stage="sparse training",
                callbacks=[regulariser],
                keep_best=False,
            )
        trained = time.perf_counter()
        if self.importance in ("taylor", "hessian"):
            gradients(network, task.calibration, self.images, squared=self.importance == "hessian")
        cost = network_cost(task.network, task.groups, example, task.budget)
        goal = limits(task.budget, task.groups, cost, task.selection.floors)
        mask = self._least(network, task.groups, example, goal)
        network.zero_grad(set_to_none=True)
        compact = shrink(network, task.groups, mask, example)
        seconds = {"sparse": trained - start, "score": time.perf_counter() - trained}
        return Outcome(network, task.groups, mask, mask, compact, seconds=seconds)

    def _least(self, network: nn.Module, groups: Sequence[FilterGroup], example: Tensor, goal: Limits) -> FilterMask:
        """The mask of the smallest ratio that meets the budget, by bisection."""
        low, high, found = 0.0, 1.0, None
        for _ in range(HALVINGS):
            ratio = (low + high) / 2
            mask = self._mask(network, groups, example, ratio)
            if goal.met(_kept(mask, groups)):
                high, found = ratio, mask
            else:
                low = ratio
        if found is None:
            raise BudgetError(
                f"Torch-Pruning with schedule.max_ratio={self.max_ratio:g} cannot meet this budget: give a larger one, up to 1"
            )
        return found

    def _mask(self, network: nn.Module, groups: Sequence[FilterGroup], example: Tensor, ratio: float) -> FilterMask:
        """What Torch-Pruning removes at ``ratio``, in easiedge's units; ``network`` is left as it was."""
        pruner = self._pruner(network, groups, example, IMPORTANCES[self.importance](), ratio)
        names = {module: name for name, module in network.named_modules()}
        gone: dict[str, set[int]] = {}
        for group in pruner.step(interactive=True):
            for dep, index in group:
                if pruner.DG.is_out_channel_pruning_fn(dep.handler) and dep.target.module in names:
                    gone.setdefault(names[dep.target.module], set()).update(map(int, index))
        return as_mask(groups, gone)

    def _pruner(
        self, network: nn.Module, groups: Sequence[FilterGroup], example: Tensor, importance: Any, ratio: float
    ) -> Any:
        made = SPARSE.get(self.importance, tp.pruner.BasePruner)
        own = {"reg": self.reg} if self.importance in SPARSE else {}
        modules = dict(network.named_modules())
        open_ = {layer for group in groups for layer in group.layers} - joined_by_padding(groups)
        ignored = [m for name, m in modules.items() if isinstance(m, nn.Conv2d | nn.Linear) and name not in open_]
        with evaluating(network):
            return made(
                network, example, importance, global_pruning=self.scope != "layerwise", isomorphic=self.scope == "isomorphic",
                pruning_ratio=ratio, max_pruning_ratio=self.max_ratio, ignored_layers=ignored, **own,
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


def as_mask(groups: Sequence[FilterGroup], gone: dict[str, set[int]]) -> FilterMask:
    """The mask that removes channels ``gone[layer]``.

    Raises:
        EasiEdgeError: layers that are tied would lose different units, or parts of one.
    """
    keep = {}
    for group in groups:
        kept = torch.ones(group.size, dtype=torch.bool)
        for layer in group.layers:
            index = group.produced(layer)
            lost = torch.isin(index, torch.tensor(sorted(gone.get(layer, set())), dtype=index.dtype))
            if bool((lost.any(1) != lost.all(1)).any()) or (
                layer != group.layers[0] and bool((lost.all(1) == kept).any())
            ):
                raise EasiEdgeError(f"Torch-Pruning does not remove whole units of group {group.name!r} at {layer!r}")
            kept = ~lost.all(1)
        keep[group.name] = kept
    return FilterMask(keep)


def _kept(mask: FilterMask, groups: Sequence[FilterGroup]) -> Any:
    return torch.tensor([int(mask.keep[group.name].sum()) for group in groups], dtype=torch.float64).numpy()


_ = function
