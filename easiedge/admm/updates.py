"""The Z-step, the U-step and the change of rho, as functions from one state to the next.

    minimise f(W) + indicator(Z within budget)   subject to   W = Z          (design: method.md section 6)

The W-step is training; it sees the state through `easiedge.admm.penalty` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from easiedge.admm.gated import GatedParameter
from easiedge.admm.state import ADMMState
from easiedge.errors import TrainingError
from easiedge.unit import FilterMask

Tensors = Mapping[str, Tensor]


def initial_state(
    W: Tensors, mask: FilterMask, rho: float, gated: Mapping[str, GatedParameter], fitted: Tensors | None = None
) -> ADMMState:
    """``Z = m * W`` (or ``m * fitted``, as in `step`) and ``U = 0``: the state before the first W-step.

    Raises:
        TrainingError: rho is not a positive number.
    """
    _check(rho)
    U = {name: torch.zeros_like(W[name], requires_grad=False) for name in gated}
    return ADMMState(_refitted(z_update(W, U, mask, gated), fitted, mask, gated), U, float(rho), mask)


@torch.no_grad()
def z_update(W: Tensors, U: Tensors, mask: FilterMask, gated: Mapping[str, GatedParameter]) -> dict[str, Tensor]:
    """``Z = m * (W + U)``, with ``m`` the gate of each row's unit; rows that no unit owns are kept."""
    return {name: (W[name] + U[name]).mul_(p.column(p.kept(mask), W[name])) for name, p in gated.items()}


@torch.no_grad()
def u_update(W: Tensors, Z: Tensors, U: Tensors) -> dict[str, Tensor]:
    """``U = U + W - Z``.  After `z_update` from the same W it is W + U on removed rows and zero on kept ones."""
    return {name: U[name] + W[name] - Z[name] for name in Z}


def step(
    state: ADMMState,
    W: Tensors,
    mask: FilterMask,
    gated: Mapping[str, GatedParameter],
    fitted: Tensors | None = None,
    dual: float = 1.0,
) -> ADMMState:
    """The Z-step with ``mask`` and the U-step: one finished iteration, without its record.

    With ``fitted``, weights refitted to do without the removed units, Z takes its kept rows from them: the next W-step is
    drawn to a network that works without what goes, and not only to the removal.  U stays that of the plain projection,
    zero on kept rows.

    The dual that is kept is ``dual * U``: 1 is ADMM as it stands, 0 the quadratic penalty alone.  In between it forgets, as in
    the regularised dual of Koshal, Nedic and Shanbhag (SIAM J. Optim. 21, 2011): U gathers what the W-steps did not reach, and a
    W-step that training ended early has not reached everything, so at 1 removed rows are thrown past zero.

    Raises:
        TrainingError: dual outside [0, 1].
    """
    if not 0.0 <= dual <= 1.0:
        raise TrainingError(f"dual={dual} is outside [0, 1]: 1 is plain ADMM, 0 the quadratic penalty alone")
    Z = z_update(W, state.U, mask, gated)
    U = u_update(W, Z, state.U)
    if dual < 1.0:
        U = {name: u * dual for name, u in U.items()}
    return replace(state, Z=_refitted(Z, fitted, mask, gated), U=U, mask=mask, iteration=state.iteration + 1)


@torch.no_grad()
def _refitted(Z: Tensors, fitted: Tensors | None, mask: FilterMask, gated: Mapping[str, GatedParameter]) -> Tensors:
    """``m * fitted`` in place of Z, where there is one."""
    if fitted is None:
        return Z
    return {name: fitted[name].detach() * p.column(p.kept(mask), fitted[name]) for name, p in gated.items()}


@torch.no_grad()
def with_rho(state: ADMMState, rho: float) -> ADMMState:
    """The same state at another rho; U is rescaled so that the unscaled dual ``rho * U`` stays.  Boyd et al. 2011, 3.4.1."""
    _check(rho)
    if rho == state.rho:
        return state
    return replace(state, rho=float(rho), U={name: u * (state.rho / rho) for name, u in state.U.items()})


def _check(rho: float) -> None:
    if not 0.0 < rho < float("inf"):
        raise TrainingError(f"rho={rho} is not a positive number: give the penalty's strength, such as 0.1")
