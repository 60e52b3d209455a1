"""ADMM for global filter pruning: pure functions on weights, without a training loop (design: method.md section 6)."""

from __future__ import annotations

from easiedge.admm.gated import GatedParameter, gated_parameters
from easiedge.admm.penalty import add_penalty_gradient_, penalty
from easiedge.admm.residuals import dual_residual, primal_residual
from easiedge.admm.rho import ConstantRho, IncreasingRho, ResidualBalancing, RhoPolicy
from easiedge.admm.state import ADMMState
from easiedge.admm.stopping import Stopping
from easiedge.admm.updates import initial_state, step, u_update, with_rho, z_update

__all__ = [
    "ADMMState",
    "ConstantRho",
    "GatedParameter",
    "IncreasingRho",
    "ResidualBalancing",
    "RhoPolicy",
    "Stopping",
    "add_penalty_gradient_",
    "dual_residual",
    "gated_parameters",
    "initial_state",
    "penalty",
    "primal_residual",
    "step",
    "u_update",
    "with_rho",
    "z_update",
]
