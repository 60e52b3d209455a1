"""Global pruning inside anyone's LightningModule, as one callback."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import Callback
from torch import nn
from torch.optim import Optimizer

from easiedge.admm import RhoPolicy, Stopping
from easiedge.errors import ModelError
from easiedge.model.filter_groups import find_groups
from easiedge.model.gates import masked
from easiedge.model.graph import device_of
from easiedge.schedule.prune import take_images
from easiedge.schedule.selection import Selection
from easiedge.scoring.batches import inputs_of
from easiedge.surgery.equivalence import prove_equivalence
from easiedge.training.admm_callback import ADMMCallback
from easiedge.training.norm_statistics import renew_norm_statistics
from easiedge.unit import Budget, FilterMask

_log = logging.getLogger(__name__)


class GlobalPruning(Callback):
    """Run ADMM in the first epochs, then replace the network by a smaller one and let training go on with it.

    The LightningModule needs an attribute that holds the network (a classifier that returns logits).  After
    ``iterations * epochs_per_iteration`` epochs the attribute is replaced by the shrunk network and the optimisers are made
    anew by ``configure_optimizers``; the remaining epochs fine-tune.

    Args:
        budget: what must go, at least.
        network: name of the attribute; found by itself when the module has one child with parameters.
        batches: calibration batches; the first ``calibration_images`` training images by default.
        calibration_images: see ``batches``.
        iterations, epochs_per_iteration, rho, policy, dual: of ADMM, as in `easiedge.schedule.admm.Admm`.
        selection: how units are chosen and removed.
        chunk: of the selections inside the loop.

    Attributes:
        mask: the units that stayed, once they are removed; None before.
        records: one record per ADMM iteration.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        network: str | None = None,
        batches: Sequence[Any] | None = None,
        calibration_images: int = 1024,
        iterations: int = 3,
        epochs_per_iteration: int = 1,
        rho: float = 1.0,
        policy: RhoPolicy | None = None,
        dual: float = 0.0,
        selection: Selection | None = None,
        chunk: float = 0.2,
    ) -> None:
        self.budget, self.network, self.batches, self.calibration_images = budget, network, batches, calibration_images
        self.iterations, self.epochs_per_iteration = iterations, epochs_per_iteration
        self.rho, self.policy, self.dual, self.chunk = rho, policy, dual, chunk
        self.selection = selection or Selection()
        self.mask: FilterMask | None = None
        self._admm: ADMMCallback | None = None
        self._told: frozenset[str] = frozenset()

    @property
    def records(self) -> list[dict[str, float | None]]:
        """One record per ADMM iteration: primal_residual, dual_residual, rho, flipped, masked_accuracy."""
        return self._admm.records if self._admm is not None else []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find the network and its units, take calibration images, make the first mask.

        Raises:
            ModelError: no such attribute, or it is not clear which one, or several processes.
        """
        if self.mask is not None:
            return
        if trainer.world_size > 1:
            raise ModelError("GlobalPruning works in one process: use Trainer(devices=1)")
        needed = self.iterations * self.epochs_per_iteration
        if trainer.max_epochs is not None and 0 <= trainer.max_epochs < needed:
            raise ModelError(
                f"max_epochs={trainer.max_epochs} ends before ADMM's {needed} epochs: give more epochs or fewer iterations"
            )
        self.network = self.network or _only_network(pl_module)
        network = _attribute(pl_module, self.network)
        loader = self.batches if self.batches is not None else trainer.train_dataloader
        device = device_of(network)
        self._calibration = [_to(batch, device) for batch in take_images(loader, self.calibration_images)]
        self._tutor = _frozen_copy(network)
        groups = find_groups(network, inputs_of(self._calibration[0])[:2])
        self._admm = ADMMCallback(
            groups, self._choose, network=self.network, rho=self.rho, policy=self.policy, dual=self.dual,
            epochs_per_iteration=self.epochs_per_iteration, stopping=Stopping(unchanged=self.iterations + 1),
            masked_accuracy=self._masked_accuracy, renew=lambda current: renew_norm_statistics(current, self._calibration),
        )  # fmt: skip
        self._admm.on_train_start(trainer, pl_module)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Add the penalty's gradient while ADMM runs."""
        if self.mask is None and self._admm is not None:
            self._admm.on_before_optimizer_step(trainer, pl_module, optimizer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A W-step is validated with statistics of its own norms."""
        if self.mask is None and self._admm is not None:
            self._admm.on_validation_start(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A Z- and U-step at the end of each W-step; after the last one, the removal."""
        if self.mask is not None or self._admm is None:
            return
        self._admm.on_train_epoch_end(trainer, pl_module)
        if len(self._admm.records) == 1:  # not before: a network that starts from scratch knows nothing yet
            self._told = self.selection.guard.check(self._admm.mask, self._admm.groups)
        if len(self._admm.records) >= self.iterations:
            self._remove(trainer, pl_module)

    def _remove(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert self._admm is not None and self.network is not None
        network, mask = _attribute(pl_module, self.network), self._admm.mask
        self.selection.guard.check(mask, self._admm.groups, self._told)
        fitted, compact = self.selection.remove(network, self._admm.groups, mask, self._calibration)
        proof = prove_equivalence(fitted, self._admm.groups, mask, compact, self._calibration[:1])
        compact.train(network.training)
        owner, _, leaf = self.network.rpartition(".")
        setattr(pl_module.get_submodule(owner), leaf, compact)
        _renew_optimizers(trainer)
        self.mask = mask
        _log.info(
            "removed %.1f %% of the units; masked and shrunk outputs differ by %.2g",
            100 * mask.share_removed(),
            proof.max_abs_diff,
        )

    def _choose(self, network: nn.Module) -> FilterMask:
        assert self._admm is not None
        return self.selection.mask(
            network,
            self._admm.groups,
            self._calibration,
            self.budget,
            tutor=self._tutor,
            chunk=self.chunk,
            readjust=0.0,
            guarded=False,
        )

    def _masked_accuracy(self, network: nn.Module, mask: FilterMask) -> float:
        """Accuracy on the calibration images; validation data are the trainer's business."""
        assert self._admm is not None
        right = seen = 0
        with masked(network, self._admm.groups, mask):
            for batch in self._calibration:
                if len(batch) > 1:
                    right += int((network(batch[0]).argmax(1) == batch[1]).sum())
                    seen += len(batch[1])
        return right / seen if seen else float("nan")


def _renew_optimizers(trainer: pl.Trainer) -> None:
    """Make the optimisers anew for the new parameters; learning rates and their schedules go on from where they were."""
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in trainer.optimizers]
    states = [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs]
    trainer.strategy.setup_optimizers(trainer)
    for config, state in zip(trainer.lr_scheduler_configs, states, strict=True):
        config.scheduler.load_state_dict(state)
    for optimizer, old in zip(trainer.optimizers, rates, strict=True):
        for group, rate in zip(optimizer.param_groups, old, strict=True):
            group["lr"] = rate


def _only_network(pl_module: pl.LightningModule) -> str:
    found = [name for name, child in pl_module.named_children() if any(True for _ in child.parameters())]
    if len(found) != 1:
        raise ModelError(
            f"{type(pl_module).__name__} has {found or 'no'} submodules with parameters: name the network with GlobalPruning(network=...)"
        )
    return found[0]


def _attribute(pl_module: pl.LightningModule, name: str) -> nn.Module:
    try:
        return pl_module.get_submodule(name)
    except AttributeError as error:
        raise ModelError(
            f"{type(pl_module).__name__} has no submodule {name!r}: name the attribute that holds the network"
        ) from error


def _frozen_copy(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).eval().requires_grad_(False)


def _to(batch: Any, device: Any) -> Any:
    if isinstance(batch, tuple | list):
        return tuple(_to(part, device) for part in batch)
    return batch.to(device)
