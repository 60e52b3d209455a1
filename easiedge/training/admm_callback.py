"""ADMM inside anyone's training loop: the W-step is the training, the Z- and U-steps happen between epochs."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from easiedge.admm import (
    ADMMState,
    ConstantRho,
    GatedParameter,
    RhoPolicy,
    Stopping,
    add_penalty_gradient_,
    dual_residual,
    gated_parameters,
    initial_state,
    primal_residual,
    step,
    with_rho,
)
from easiedge.admm.state import Record
from easiedge.errors import ModelError, TrainingError
from easiedge.model.graph import evaluating
from easiedge.processes import same_network, told
from easiedge.unit import FilterGroup, FilterMask

log = logging.getLogger(__name__)


class ADMMCallback(Callback):
    """Drives the weights of removed units to zero while the network trains (design: method.md section 6).

    Before training: ``Z = m * W``, ``U = 0`` with ``m = choose(network)``.  At each optimiser step the penalty's gradient
    ``rho (W - Z + U)`` joins the loss's, before the trainer clips gradients.  After every ``epochs_per_iteration`` epochs:
    a new mask, Z-step, U-step, residuals, rho.

    A W-step minimises ``f(W) + rho / 2 ||W - Z + U||^2`` by so many steps and no more, so it matters where they start.  With
    ``start`` s that is ``W + s (Z - W)``: the way to Z need not be trained, so that a small rho is enough and training is free to
    improve what stays.  Below 1 what the mask removes is small and not zero: its norms' scales have their full slope, and it can
    come back.

    Args:
        groups: the units, found on the network.
        choose: the projection: network to mask.
        network: the network itself, the name of the LightningModule's attribute that holds it, or None for the module itself.
        rho: the penalty's strength at the start.
        policy: how rho changes.
        dual: share of the dual that is kept from one iteration to the next, as in `easiedge.admm.step`.
        dual_in_scores: ``choose`` sees the network at ``W + U``, whose largest norms ADMM's Euclidean projection keeps, and not at W.
        start: of each W-step: from 0, the weights as they are, up to 1, ``Z``, excluded.
        epochs_per_iteration: epochs of one W-step.
        stopping: when to stop; the trainer's ``max_epochs`` bounds it too.
        masked_accuracy: accuracy in [0, 1] of the network with a mask applied, logged each iteration.
        refit: a copy of the network whose kept weights do without what the mask removes (closed-form compensation); Z takes
            its kept rows from it, and a W-step with a ``start`` the parameters that no unit owns.  None: Z is the plain projection.
        renew: called with the trained network before it is validated and before each Z-step, to measure the statistics of its norms anew.

    Attributes:
        state: Z, U, rho, mask and the history; None before training.
        selecting: seconds in ``choose`` and ``refit``, those before a resumed checkpoint included.
    """

    def __init__(
        self,
        groups: Sequence[FilterGroup],
        choose: Callable[[nn.Module], FilterMask],
        *,
        network: nn.Module | str | None = None,
        rho: float = 0.1,
        policy: RhoPolicy | None = None,
        dual: float = 1.0,
        dual_in_scores: bool = False,
        start: float = 0.0,
        epochs_per_iteration: int = 1,
        stopping: Stopping | None = None,
        masked_accuracy: Callable[[nn.Module, FilterMask], float] | None = None,
        refit: Callable[[nn.Module, FilterMask], nn.Module] | None = None,
        renew: Callable[[nn.Module], None] | None = None,
    ) -> None:
        if epochs_per_iteration < 1:
            raise TrainingError(f"epochs_per_iteration={epochs_per_iteration}: give 1 epoch or more for each W-step")
        self.groups = groups
        self.choose = choose
        self.network = network
        self.rho = rho
        self.policy: RhoPolicy = policy or ConstantRho()
        if not 0.0 <= start < 1.0:
            raise TrainingError(
                f"start={start} is outside [0, 1): at 1 what is removed would be dead, so that training could not bring it back"
            )
        self.dual = dual
        self.dual_in_scores = dual_in_scores
        self.start = start
        self.epochs_per_iteration = epochs_per_iteration
        self.stopping = stopping or Stopping()
        self.masked_accuracy = masked_accuracy
        self.refit = refit
        self.renew = renew
        self.state: ADMMState | None = None
        self.selecting = 0.0
        self._epochs = 0
        self._renewed = False  # since the last optimiser step
        self._gated: dict[str, GatedParameter] = {}

    @property
    def records(self) -> list[dict[str, float | None]]:
        """One record per iteration: primal_residual, dual_residual, rho, flipped, masked_accuracy."""
        return [dict(record) for record in self.state.history] if self.state is not None else []

    @property
    def mask(self) -> FilterMask:
        """The latest mask."""
        if self.state is None:
            raise TrainingError("ADMM has no mask before training has started: fit first")
        return self.state.mask

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Z = m * W and U = 0, or the state of the run that is resumed."""
        network = self._network(pl_module)
        self._gated = gated_parameters(network, self.groups)
        if not self._gated:
            raise ModelError(
                "ADMM has nothing to train towards zero: every parameter of the groups is frozen; set requires_grad on them"
            )
        W = dict(network.named_parameters())
        if self.state is not None:
            self.state = self.state.like(W)
            return
        mask = self._choose(trainer, network)
        fitted = self._refitted(network, mask)
        self.state = initial_state(W, mask, self.rho, self._gated, fitted)
        self._begin(W, fitted)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Add the penalty's gradient for the parameters of this optimiser."""
        assert self.state is not None
        self._renewed = False
        W = dict(self._network(pl_module).named_parameters())
        own = {id(p) for group in optimizer.param_groups for p in group["params"]}
        gated = {name: parameter for name, parameter in self._gated.items() if id(W[name]) in own}
        add_penalty_gradient_(W, self.state.Z, self.state.U, self.state.rho, gated)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A W-step moves weights fast: it is judged by the statistics of its own norms, and not by those of long ago."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._renew(self._network(pl_module))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """At the end of a W-step: the Z- and U-step, and the iteration's record to the loggers."""
        self._epochs += 1
        if self._epochs < self.epochs_per_iteration:
            return
        network = self._network(pl_module)
        record, fitted = self._iterate(trainer, network)
        figures = {name: float(value) for name, value in record.items() if value is not None}
        figures["filters_removed"] = self.mask.share_removed()
        pl_module.log_dict(
            {f"admm/{name}": value for name, value in figures.items()}, on_step=False, on_epoch=True, batch_size=1
        )
        assert self.state is not None
        if (reason := self.stopping.reason(self.state.history)) is not None:
            log.info("ADMM stops after %d iterations: %s", self.state.iteration, reason)
            trainer.should_stop = True
        elif trainer.max_epochs is None or not 0 <= trainer.max_epochs <= trainer.current_epoch + 1:
            self._begin(dict(network.named_parameters()), fitted)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Epochs that did not fill an iteration end in a Z- and U-step too, so that the mask is the trained network's."""
        if self._epochs > 0:
            self._iterate(trainer, self._network(pl_module))

    def state_dict(self) -> dict[str, Any]:
        """The state in plain tensors, numbers and lists, for the trainer's checkpoint."""
        if self.state is None:
            return {}
        tensors, metadata = self.state.to_dict()
        return {"tensors": tensors, "metadata": metadata, "epochs": self._epochs, "selecting": self.selecting}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        if state_dict:
            self.state = ADMMState.from_dict(state_dict["tensors"], state_dict["metadata"])
            self._epochs = int(state_dict["epochs"])
            self.selecting = float(state_dict.get("selecting", 0.0))

    @torch.no_grad()
    def _begin(self, W: Mapping[str, nn.Parameter], fitted: Mapping[str, Tensor] | None) -> None:
        """Move the weights to where the next W-step starts."""
        assert self.state is not None
        if self.start == 0.0:
            return
        for name, weight in W.items():
            towards = weight if fitted is None or not weight.requires_grad else fitted[name]
            if name in self._gated:
                owned, Z = self._gated[name].owned(weight), self.state.Z[name]
                towards = Z if owned is None else torch.where(owned.bool(), Z, towards)
            weight.lerp_(towards, self.start)
        self._renewed = False

    def _iterate(self, trainer: pl.Trainer, network: nn.Module) -> tuple[Record, dict[str, Tensor] | None]:
        """One Z-, U- and rho-step on the network's weights; the state is replaced only by one that is finite."""
        before = self.state
        assert before is not None
        W = dict(network.named_parameters())
        if not all(bool(torch.isfinite(W[name]).all()) for name in self._gated):
            raise TrainingError(
                f"the weights are not finite after the W-step of ADMM iteration {before.iteration + 1}: training stopped, "
                f"and the callback's state is that of iteration {before.iteration}; lower the learning rate or rho"
            )
        self._renew(network)
        mask = self._choose(trainer, network)
        fitted = self._refitted(network, mask)
        after = step(before, W, mask, self._gated, fitted, self.dual)
        primal, dual, accuracy = told(
            (
                primal_residual(W, after.Z, self._gated),
                dual_residual(after.Z, before.Z, after.U, self._gated),
                self._accuracy(network, mask),
            )
        )
        record: Record = {
            "primal_residual": primal,
            "dual_residual": dual,
            "rho": before.rho,
            "flipped": mask.flipped(before.mask),
            "masked_accuracy": accuracy,
        }
        after = replace(after, history=(*before.history, record))
        self.state, self._epochs = with_rho(after, self.policy(before.rho, primal, dual)), 0
        shown = "" if accuracy is None else f", masked accuracy {accuracy:.4f}"
        log.info(
            "ADMM %d: primal %.3g, dual %.3g, rho %.3g, flipped %.3g%s",
            after.iteration,
            primal,
            dual,
            before.rho,
            record["flipped"],
            shown,
        )
        return record, fitted

    def _renew(self, network: nn.Module) -> None:
        """Measure the statistics anew, once after the same step."""
        if self.renew is not None and not self._renewed:
            self.renew(network)
            self._renewed = True

    def _choose(self, trainer: pl.Trainer, network: nn.Module) -> FilterMask:
        """The mask of the current weights, checked, and the same on every process."""
        with self._selects(), evaluating(network), torch.enable_grad():
            mask = self.choose(self._scored(network))
        mask = told(trainer.strategy.broadcast(mask))  # of Lightning's processes, or of easiedge's
        mask.check(self.groups)
        return FilterMask({name: keep.cpu() for name, keep in mask.keep.items()})

    def _scored(self, network: nn.Module) -> nn.Module:
        """What is chosen from: the network, or a copy of it at ``W + U``."""
        if not self.dual_in_scores or self.state is None:
            return network
        shifted = copy.deepcopy(network)
        W = dict(shifted.named_parameters())
        with torch.no_grad():
            for name in self._gated:
                W[name].add_(self.state.U[name])  # zero on rows that no unit owns
        return shifted

    def _refitted(self, network: nn.Module, mask: FilterMask) -> dict[str, Tensor] | None:
        """The refitted parameters, laid out as the network's own."""
        if self.refit is None:
            return None
        with self._selects():
            fitted = dict(same_network(self.refit(network, mask)).named_parameters())
        W = dict(network.named_parameters())
        return {name: torch.empty_like(W[name], requires_grad=False).copy_(fitted[name].detach()) for name in W}

    @contextmanager
    def _selects(self) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.selecting += time.perf_counter() - begun

    def _accuracy(self, network: nn.Module, mask: FilterMask) -> float | None:
        if self.masked_accuracy is None:
            return None
        with evaluating(network):
            accuracy = float(self.masked_accuracy(network, mask))
        return accuracy if math.isfinite(accuracy) else None

    def _network(self, pl_module: pl.LightningModule) -> nn.Module:
        if isinstance(self.network, nn.Module):
            return self.network
        try:
            found: nn.Module = pl_module if self.network is None else pl_module.get_submodule(self.network)
            return found
        except AttributeError as error:
            raise ModelError(
                f"{type(pl_module).__name__} has no submodule {self.network!r}: name the attribute that holds the network"
            ) from error
