"""ADMM inside LightningModules that are not ours, and inside `fit`."""

from __future__ import annotations

import logging
import math
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from training import tiny

from easiedge.admm import IncreasingRho, Stopping
from easiedge.errors import EasiEdgeError, ModelError, TrainingError
from easiedge.training.admm_callback import ADMMCallback
from easiedge.training.evaluate import accuracy
from easiedge.training.fit import fit
from easiedge.training.recipe import Recipe
from easiedge.unit import FilterMask

pytestmark = pytest.mark.filterwarnings(
    "ignore:`isinstance.treespec, LeafSpec.` is deprecated:FutureWarning",
    "ignore::lightning_fabric.utilities.warnings.PossibleUserWarning",
)


HALVES = list(combinations(range(tiny.UNITS), tiny.UNITS // 2))


class Theirs(pl.LightningModule):
    """Somebody's own module."""

    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()
        self.backbone = tiny.network()
        self.lr = lr

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return F.cross_entropy(self.backbone(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


def _trainer(callback: pl.Callback, epochs: int, **options: Any) -> pl.Trainer:
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return pl.Trainer(**{"max_epochs": epochs, "accelerator": "cpu", "callbacks": [callback], **quiet, **options})


def _admm(**options: Any) -> ADMMCallback:
    return ADMMCallback([tiny.group()], tiny.half_by_norm, **{"network": "backbone", "rho": 0.5, **options})


def test_removed_units_go_to_zero_so_that_removal_costs_nothing() -> None:
    module = Theirs()
    validation = tiny.loader(64, seed=1)
    admm = _admm(
        rho=1.0,
        stopping=Stopping(tolerance=0.0),
        masked_accuracy=lambda net, mask: accuracy(tiny.masked_copy(net, mask), validation),
    )
    _trainer(admm, 12).fit(module, tiny.loader())
    net = module.backbone
    removed = ~admm.mask.keep["0"]
    assert int(removed.sum()) == 4
    for parameter in (net[0].weight, net[0].bias, net[1].weight, net[1].bias):
        kept_size, removed_size = parameter[~removed].abs().mean(), parameter[removed].abs().mean()
        assert removed_size < 0.1 * kept_size
    assert accuracy(net, validation) > 0.9
    assert abs(accuracy(tiny.masked_copy(net, admm.mask), validation) - accuracy(net, validation)) < 0.02
    records = admm.records
    assert len(records) == 12
    assert all(set(r) == {"primal_residual", "dual_residual", "rho", "flipped", "masked_accuracy"} for r in records)
    assert records[-1]["primal_residual"] < 0.1 * records[0]["primal_residual"]
    assert records[-1]["masked_accuracy"] == pytest.approx(accuracy(tiny.masked_copy(net, admm.mask), validation))


@pytest.mark.parametrize("how", ["attribute", "module", "itself"])
def test_one_step_is_the_gradient_of_loss_and_penalty(how: str) -> None:
    module, rho, lr = Theirs(lr=0.05), 0.7, 0.05
    x, y = next(iter(tiny.loader(shuffle=False)))
    net = module.backbone
    W = {n: p.detach().clone() for n, p in net.named_parameters()}
    mask = tiny.half_by_norm(net)
    gradients = torch.autograd.grad(F.cross_entropy(net(x), y), list(net.parameters()))
    net[1].reset_running_stats()
    prefix = "backbone." if how == "itself" else ""
    group = tiny.group(prefix)
    chosen = FilterMask({group.name: mask.keep["0"]})
    network = {"attribute": "backbone", "module": net, "itself": None}[how]
    admm = ADMMCallback([group], lambda _: chosen, network=network, rho=rho)
    _trainer(admm, 1).fit(module, torch.utils.data.DataLoader([(a, b) for a, b in zip(x, y, strict=True)], len(x)))
    for (name, now), gradient in zip(net.named_parameters(), gradients, strict=True):
        rows = mask.keep["0"].view(-1, *(1,) * (now.ndim - 1)).to(now.dtype)
        pull = torch.zeros_like(now) if name.startswith("5") else rho * (W[name] - rows * W[name])
        torch.testing.assert_close(now.detach(), W[name] - lr * (gradient + pull), rtol=1e-4, atol=1e-6)


def test_choose_sees_the_current_weights_in_eval_mode_and_modes_return() -> None:
    module, seen = Theirs(), []

    def choose(net: nn.Module) -> FilterMask:
        seen.append((net is module.backbone, net.training, net[0].weight.detach().clone()))
        assert torch.is_grad_enabled()
        return tiny.half_by_norm(net)

    admm = ADMMCallback([tiny.group()], choose, network="backbone", epochs_per_iteration=2)
    _trainer(admm, 5).fit(module, tiny.loader())
    assert admm.state is not None
    assert admm.state.iteration == 3
    assert len(seen) == 4
    assert all(here and not training for here, training, _ in seen)
    assert not torch.equal(seen[0][2], seen[1][2])
    assert torch.equal(seen[-1][2], module.backbone[0].weight)
    assert module.backbone.training


@pytest.mark.parametrize("dual_in_scores", [True, False])
def test_the_mask_is_that_of_the_euclidean_projection_of_w_plus_u(dual_in_scores: bool) -> None:
    """Brute force over all halves of the units: the mask of the nearest point to W + U with half of the filters zero."""
    module, nearest, chosen = Theirs(), [], []

    class Watched(ADMMCallback):
        def _choose(self, trainer: pl.Trainer, network: nn.Module) -> FilterMask:
            W = network[0].weight.detach()
            V = W + self.state.U["0.weight"] if self.state is not None else W
            halves = [torch.isin(torch.arange(tiny.UNITS), torch.tensor(kept)) for kept in HALVES]
            nearest.append(min(halves, key=lambda keep: float((V * ~keep.view(-1, 1, 1, 1)).square().sum())))
            before = W.clone()
            mask = super()._choose(trainer, network)
            chosen.append(mask.keep["0"])
            assert torch.equal(network[0].weight, before)
            return mask

    admm = Watched(
        [tiny.group()], tiny.half_by_norm, network="backbone", rho=0.2, dual_in_scores=dual_in_scores, stopping=Stopping(tolerance=0.0)
    )  # fmt: skip
    _trainer(admm, 8).fit(module, tiny.loader())
    assert len(chosen) == 9
    alike = [torch.equal(a, b) for a, b in zip(chosen, nearest, strict=True)]
    assert all(alike) == dual_in_scores  # W alone is not what the projection ranks


@pytest.mark.parametrize("dual", [0.0, 1.0])
def test_each_w_step_starts_near_z_and_the_last_ends_where_training_left_it(dual: float) -> None:
    """At a learning rate of zero nothing else moves the weights; closed form by hand."""
    module, start = Theirs(lr=0.0), 0.75
    net = module.backbone
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    fixed = tiny.half_by_norm(net)

    def refit(network: nn.Module, mask: FilterMask) -> nn.Module:
        fitted = tiny.network()
        fitted.load_state_dict(network.state_dict())
        with torch.no_grad():
            for p in fitted.parameters():
                p *= 2.0
        return fitted

    admm = ADMMCallback(
        [tiny.group()], lambda _: fixed, network="backbone", dual=dual, start=start, refit=refit,
        stopping=Stopping(tolerance=0.0),
    )  # fmt: skip
    _trainer(admm, 3).fit(module, tiny.loader(32))
    for name, now in net.named_parameters():
        keep = fixed.keep["0"].view(-1, *(1,) * (now.ndim - 1))
        towards_zero = before[name] * (1 - start) ** 3  # before the first epoch, after it and after the second
        towards_twice = before[name] * (1 + start) ** 3
        expected = towards_twice if name.startswith("5") else torch.where(keep, towards_twice, towards_zero)
        torch.testing.assert_close(now.detach(), expected, rtol=1e-5, atol=1e-7)


def test_a_start_near_z_needs_no_strong_penalty() -> None:
    residual = {}
    for start in (0.0, 0.9):
        admm = _admm(rho=0.01, start=start)
        _trainer(admm, 1).fit(Theirs(), tiny.loader())
        residual[start] = admm.records[0]["primal_residual"]
    assert residual[0.9] < 0.5 * residual[0.0]


@pytest.mark.parametrize("start", [-0.1, 1.0, math.nan])
def test_a_start_that_would_kill_what_is_removed_is_refused(start: float) -> None:
    with pytest.raises(TrainingError, match=r"start=.*outside"):
        _admm(start=start)


def test_stops_when_the_mask_has_settled() -> None:
    fixed = tiny.half_by_norm(tiny.network())
    admm = ADMMCallback(
        [tiny.group()], lambda _: fixed, network="backbone", rho=5.0, stopping=Stopping(unchanged=2, tolerance=0.5)
    )
    trainer = _trainer(admm, 50)
    trainer.fit(Theirs(), tiny.loader())
    assert 2 <= len(admm.records) < 50
    assert trainer.current_epoch == len(admm.records)


def test_rho_follows_its_policy_and_the_dual_is_rescaled() -> None:
    fixed = tiny.half_by_norm(tiny.network())
    admm = ADMMCallback(
        [tiny.group()],
        lambda _: fixed,
        network="backbone",
        rho=0.1,
        policy=IncreasingRho(2.0, 0.5),
        stopping=Stopping(tolerance=0),
    )
    _trainer(admm, 4).fit(Theirs(), tiny.loader())
    assert [r["rho"] for r in admm.records] == pytest.approx([0.1, 0.2, 0.4, 0.5])
    assert [r["flipped"] for r in admm.records] == [0.0] * 4


def test_the_first_flips_are_counted_from_the_first_choice() -> None:
    first, second = FilterMask({"0": torch.arange(8) < 4}), FilterMask({"0": torch.arange(8) >= 4})
    masks = iter([first, second, second])
    admm = ADMMCallback([tiny.group()], lambda _: next(masks), network="backbone")
    _trainer(admm, 2).fit(Theirs(), tiny.loader())
    assert [r["flipped"] for r in admm.records] == [1.0, 0.0]


@pytest.mark.parametrize("break_after", [2, 3])
def test_resuming_from_a_checkpoint_equals_an_unbroken_run(tmp_path: Path, break_after: int) -> None:
    def run(epochs: int, ckpt: Path | None, save: Path | None = None) -> tuple[Theirs, ADMMCallback]:
        torch.manual_seed(0)
        module, admm = (
            Theirs(),
            _admm(epochs_per_iteration=2, policy=IncreasingRho(2.0, 4.0), stopping=Stopping(tolerance=0.0)),
        )
        train = tiny.loader(shuffle=False)
        if save is None:
            _trainer(admm, epochs).fit(module, train, ckpt_path=ckpt, weights_only=True if ckpt else None)
            return module, admm

        class Save(pl.Callback):
            def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
                if trainer.current_epoch == epochs - 1:
                    trainer.save_checkpoint(save)

        trainer = _trainer(admm, 6)
        trainer.callbacks.append(Save())
        trainer.fit(module, train)
        return module, admm

    path = tmp_path / "state.ckpt"
    unbroken, whole = run(break_after, None, save=path)  # goes on to six epochs
    resumed, part = run(6, path)
    assert whole.state is not None
    assert part.state is not None
    assert part.state.iteration == whole.state.iteration == 3
    assert part.records == whole.records
    for a, b in zip(unbroken.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    for name in whole.state.Z:
        assert torch.equal(whole.state.Z[name], part.state.Z[name])
        assert torch.equal(whole.state.U[name], part.state.U[name])


def test_weights_that_are_not_finite_leave_the_state_alone() -> None:
    class Poison(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
            if trainer.current_epoch == 2:
                pl_module.backbone[0].weight.data.fill_(math.nan)

    admm = _admm()
    trainer = _trainer(admm, 4)
    trainer.callbacks.insert(0, Poison())
    with pytest.raises(TrainingError, match="iteration 3"):
        trainer.fit(Theirs(), tiny.loader())
    assert admm.state is not None
    assert admm.state.iteration == 2
    assert all(bool(torch.isfinite(t).all()) for t in (*admm.state.Z.values(), *admm.state.U.values()))


def test_two_optimisers_feel_the_penalty_once_each() -> None:
    class Two(Theirs):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:
            optimizers = self.optimizers()
            for optimizer in optimizers:
                optimizer.zero_grad()
            self.manual_backward(0.0 * F.cross_entropy(self.backbone(batch[0]), batch[1]))
            for optimizer in optimizers:
                optimizer.step()

        def configure_optimizers(self) -> Any:
            net = self.backbone
            return [
                torch.optim.SGD(net[0].parameters(), lr=0.1),
                torch.optim.SGD([*net[1].parameters(), *net[5].parameters()], lr=0.1),
            ]

    module = Two()
    before, mask = module.backbone[0].weight.detach().clone(), tiny.half_by_norm(module.backbone)
    _trainer(ADMMCallback([tiny.group()], lambda _: mask, network="backbone", rho=1.0), 1).fit(
        module, tiny.loader(32, 32)
    )
    removed = ~mask.keep["0"]
    torch.testing.assert_close(module.backbone[0].weight.detach()[removed], 0.9 * before[removed])
    torch.testing.assert_close(module.backbone[1].weight.detach()[removed], torch.full((4,), 0.9))
    torch.testing.assert_close(module.backbone[1].weight.detach()[~removed], torch.ones(4))


def test_mistakes_are_named() -> None:
    with pytest.raises(TrainingError, match="epochs_per_iteration"):
        _admm(epochs_per_iteration=0)
    with pytest.raises(TrainingError, match="before training"):
        _ = _admm().mask
    with pytest.raises(ModelError, match="'body'"):
        _trainer(_admm(network="body"), 1).fit(Theirs(), tiny.loader())
    module = Theirs()
    for layer in (module.backbone[0], module.backbone[1]):
        layer.requires_grad_(False)
    with pytest.raises(ModelError, match="frozen"):
        _trainer(_admm(), 1).fit(module, tiny.loader())
    nothing = FilterMask({"0": torch.zeros(8, dtype=torch.bool)})
    admm = ADMMCallback([tiny.group()], lambda _: nothing, network="backbone")
    with pytest.raises(EasiEdgeError, match="all 8 units"):
        _trainer(admm, 1).fit(Theirs(), tiny.loader())


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_inside_fit_with_channels_last(precision: str) -> None:
    net = tiny.network()
    admm = ADMMCallback([tiny.group()], tiny.half_by_norm, network=net, rho=1.0, stopping=Stopping(tolerance=0.0))
    recipe = Recipe(epochs=8, lr=0.1, momentum=0.0, nesterov=False, schedule="constant")
    result = fit(
        net,
        tiny.loader(),
        tiny.loader(64, seed=1),
        recipe,
        callbacks=[admm],
        precision=precision,
        best=False,
        progress=False,
        seed=0,
    )
    assert result.best_epoch is None
    assert result.history[-1]["admm/primal_residual"] == pytest.approx(admm.records[-1]["primal_residual"], rel=1e-5)
    assert result.history[-1]["admm/filters_removed"] == 0.5
    assert admm.records[-1]["primal_residual"] < admm.records[0]["primal_residual"]
    tensors, _ = admm.state.to_dict()
    assert all(t.is_contiguous() for t in tensors.values())


def test_norm_statistics_are_renewed_before_each_choice() -> None:
    """The network that units are chosen in is the one that training saw, and not one with statistics of long ago."""
    seen: list[str] = []

    def choose(network: nn.Module) -> FilterMask:
        seen.append("choose")
        return tiny.half_by_norm(network)

    def renew(network: nn.Module) -> None:
        seen.append("renew")

    admm = ADMMCallback(
        [tiny.group()], choose, network="backbone", rho=0.5, renew=renew, stopping=Stopping(tolerance=0.0)
    )
    _trainer(admm, 2).fit(Theirs(), tiny.loader())
    assert seen == ["choose", "renew", "choose", "renew", "choose"]


def test_a_w_step_is_validated_with_statistics_of_its_own() -> None:
    seen: list[str] = []

    class Validating(Theirs):
        def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
            if seen[-1:] != ["validate"]:
                seen.append("validate")

    def choose(network: nn.Module) -> FilterMask:
        seen.append("choose")
        return tiny.half_by_norm(network)

    admm = ADMMCallback(
        [tiny.group()],
        choose,
        network="backbone",
        rho=0.5,
        renew=lambda network: seen.append("renew"),
        stopping=Stopping(tolerance=0.0),
    )
    _trainer(admm, 2).validate(Validating(), tiny.loader(), verbose=False)
    assert seen == ["validate"]  # outside training the network is left alone
    seen.clear()
    _trainer(admm, 2).fit(Validating(), tiny.loader(), tiny.loader())
    sanity, *rest = seen
    assert sanity == "validate" and rest == ["choose", *["renew", "validate", "choose"] * 2]
