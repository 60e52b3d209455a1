"""ADMM on a quadratic with a closed-form answer."""

from __future__ import annotations

import json

import pytest
import torch
from admm.quadratic import Quadratic
from safetensors.torch import load, save

from easiedge.admm import (
    ADMMState,
    add_penalty_gradient_,
    dual_residual,
    initial_state,
    penalty,
    primal_residual,
    step,
    with_rho,
)
from easiedge.errors import TrainingError
from easiedge.unit import FilterMask

MASK = FilterMask({"0": torch.tensor([True, False, True, True, False, False])})


def _run(problem: Quadratic, state: ADMMState, iterations: int) -> ADMMState:
    for _ in range(iterations):
        state = step(state, problem.w_step(state), MASK, problem.gated)
    return state


def test_converges_to_the_constrained_optimum_with_a_fixed_mask() -> None:
    problem = Quadratic.make()
    state = _run(problem, initial_state(problem.b, MASK, 1.0, problem.gated), 200)
    W, optimum = problem.w_step(state), problem.optimum(MASK)
    for name in problem.gated:
        torch.testing.assert_close(W[name], optimum[name], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(state.Z[name], optimum[name], rtol=1e-9, atol=1e-9)
        # the multiplier of the constraint: rho U = -grad f at the optimum, that is a b on removed rows and zero on kept ones
        removed = problem.gated[name].column(~problem.gated[name].kept(MASK), W[name])
        torch.testing.assert_close(
            state.rho * state.U[name], problem.a[name] * problem.b[name] * removed, rtol=1e-8, atol=1e-8
        )
    assert primal_residual(W, state.Z, problem.gated) < 1e-9


def test_iterates_equal_the_closed_form_on_removed_rows() -> None:
    """On a removed row the error shrinks by a / (a + rho) an iteration, so W_k = b (a / (a + rho))^k from U = 0, Z = 0."""
    problem = Quadratic.make()
    rho, iterations = 0.3, 5
    state = _run(problem, initial_state(problem.b, MASK, rho, problem.gated), iterations - 1)
    W = problem.w_step(state)
    for name, parameter in problem.gated.items():
        a, b = problem.a[name], problem.b[name]
        removed = ~parameter.kept(MASK)
        torch.testing.assert_close(
            W[name][removed], (b * (a / (a + rho)) ** iterations)[removed], rtol=1e-12, atol=1e-12
        )


def test_w_step_by_gradient_descent_equals_the_exact_one() -> None:
    problem = Quadratic.make()
    state = _run(problem, initial_state(problem.b, MASK, 0.5, problem.gated), 3)
    W = {name: b.clone().requires_grad_() for name, b in problem.b.items()}
    for _ in range(300):
        for name, w in W.items():
            w.grad = problem.a[name] * (w.detach() - problem.b[name])
        add_penalty_gradient_(W, state.Z, state.U, state.rho, problem.gated)
        with torch.no_grad():
            for w in W.values():
                w -= 0.5 * w.grad
    for name, exact in problem.w_step(state).items():
        torch.testing.assert_close(W[name].detach(), exact, rtol=1e-9, atol=1e-9)


def test_changing_rho_keeps_the_dual_and_the_optimum() -> None:
    problem = Quadratic.make()
    state = _run(problem, initial_state(problem.b, MASK, 1.0, problem.gated), 20)
    changed = with_rho(state, 4.0)
    for name in problem.gated:
        torch.testing.assert_close(changed.rho * changed.U[name], state.rho * state.U[name])
    # the Lagrangian's gradient at Z, rho * (Z - Z + U), does not move
    W = {name: z.clone().requires_grad_() for name, z in state.Z.items()}
    before = torch.autograd.grad(penalty(W, state.Z, state.U, state.rho, problem.gated), list(W.values()))
    after = torch.autograd.grad(penalty(W, changed.Z, changed.U, changed.rho, problem.gated), list(W.values()))
    torch.testing.assert_close(before, after)
    end = _run(problem, changed, 400)
    for name, optimum in problem.optimum(MASK).items():
        torch.testing.assert_close(end.Z[name], optimum, rtol=1e-9, atol=1e-9)


def test_save_load_continue_equals_an_unbroken_run() -> None:
    problem = Quadratic.make()
    unbroken = _run(problem, initial_state(problem.b, MASK, 0.5, problem.gated), 12)
    half = _run(problem, initial_state(problem.b, MASK, 0.5, problem.gated), 6)
    tensors, metadata = half.to_dict()
    loaded = ADMMState.from_dict(load(save(tensors)), json.loads(json.dumps(metadata))).like(problem.b)
    resumed = _run(problem, loaded, 6)
    assert resumed.iteration == unbroken.iteration == 12
    assert resumed.rho == unbroken.rho
    assert resumed.mask.flipped(unbroken.mask) == 0.0
    for name in problem.gated:
        assert torch.equal(resumed.Z[name], unbroken.Z[name])
        assert torch.equal(resumed.U[name], unbroken.U[name])


def test_a_state_of_another_network_is_refused() -> None:
    problem = Quadratic.make()
    state = initial_state(problem.b, MASK, 0.5, problem.gated)
    with pytest.raises(TrainingError, match=r"0\.weight"):
        state.like(Quadratic.make(units=7).b)


def test_z_and_u_have_disjoint_rows() -> None:
    problem = Quadratic.make()
    state = _run(problem, initial_state(problem.b, MASK, 0.5, problem.gated), 3)
    for name in problem.gated:
        assert float((state.Z[name] * state.U[name]).abs().max()) == 0.0


@pytest.mark.parametrize("rho", [0.0, -1.0, float("nan"), float("inf")])
def test_rho_must_be_positive(rho: float) -> None:
    problem = Quadratic.make()
    with pytest.raises(TrainingError, match="rho"):
        initial_state(problem.b, MASK, rho, problem.gated)


def test_residuals_have_closed_forms_and_are_safe_at_zero() -> None:
    problem = Quadratic.make()
    zero = {name: torch.zeros_like(b) for name, b in problem.b.items()}
    half = {name: 0.5 * b for name, b in problem.b.items()}
    assert primal_residual(problem.b, half, problem.gated) == pytest.approx(0.5)
    assert primal_residual(problem.b, zero, problem.gated) == pytest.approx(1.0)
    assert primal_residual(zero, zero, problem.gated) == 0.0
    assert dual_residual(problem.b, half, problem.b, problem.gated) == pytest.approx(0.5)
    assert dual_residual(problem.b, problem.b, zero, problem.gated) == 0.0
    assert dual_residual(problem.b, half, zero, problem.gated) == pytest.approx(0.5)
    assert dual_residual(zero, half, zero, problem.gated) == 1.0


def test_refitted_weights_fill_the_kept_rows_of_z_and_leave_u_that_of_the_projection():
    import torch

    from easiedge.admm import GatedParameter, initial_state, step
    from easiedge.unit import FilterMask

    gated = {"w": GatedParameter("w", 4, None, {"g": torch.arange(4)[:, None]})}
    mask = FilterMask({"g": torch.tensor([True, False, True, False])})
    W, fitted = {"w": torch.arange(1.0, 5.0)}, {"w": torch.full((4,), 9.0)}
    start = initial_state(W, mask, 0.1, gated, fitted)
    assert start.Z["w"].tolist() == [9, 0, 9, 0]
    after, plain = step(start, W, mask, gated, fitted), step(start, W, mask, gated)
    assert after.Z["w"].tolist() == [9, 0, 9, 0]
    assert torch.equal(after.U["w"], plain.U["w"])
    assert after.U["w"].tolist() == [0, 2, 0, 4]


@pytest.mark.parametrize("dual", [0.0, 0.4, 1.0])
def test_a_kept_share_of_the_dual_is_that_share(dual: float) -> None:
    problem = Quadratic.make()
    before = _run(problem, initial_state(problem.b, MASK, 0.3, problem.gated), 2)
    W = problem.w_step(before)
    plain, kept = step(before, W, MASK, problem.gated), step(before, W, MASK, problem.gated, dual=dual)
    for name in problem.gated:
        torch.testing.assert_close(kept.U[name], dual * plain.U[name])
        assert torch.equal(kept.Z[name], plain.Z[name])


def test_without_a_dual_removed_rows_settle_where_loss_and_penalty_balance() -> None:
    """With U = 0 and Z = 0 the W-step gives W = a b / (a + rho) on removed rows, in every iteration."""
    problem, rho = Quadratic.make(), 0.3
    state = initial_state(problem.b, MASK, rho, problem.gated)
    for _ in range(4):
        state = step(state, problem.w_step(state), MASK, problem.gated, dual=0.0)
    W = problem.w_step(state)
    for name, parameter in problem.gated.items():
        a, b, removed = problem.a[name], problem.b[name], ~parameter.kept(MASK)
        torch.testing.assert_close(W[name][removed], (a * b / (a + rho))[removed], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dual", [-0.1, 1.1, float("nan")])
def test_a_share_of_the_dual_outside_its_range_is_refused(dual: float) -> None:
    problem = Quadratic.make()
    state = initial_state(problem.b, MASK, 0.3, problem.gated)
    with pytest.raises(TrainingError, match="outside"):
        step(state, problem.w_step(state), MASK, problem.gated, dual=dual)
