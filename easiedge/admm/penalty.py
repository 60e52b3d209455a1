"""The augmented Lagrangian's penalty on the gated weights, and its gradient added in place."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from easiedge.admm.gated import GatedParameter


def penalty(
    W: Mapping[str, Tensor],
    Z: Mapping[str, Tensor],
    U: Mapping[str, Tensor],
    rho: float,
    gated: Mapping[str, GatedParameter],
) -> Tensor:
    """``rho / 2 * sum ||W - Z + U||^2`` over the gated rows: the squared penalty of the W-step, differentiable by ``W``.

    The reference for `add_penalty_gradient_`; training uses the gradient alone.  Boyd et al. 2011, section 3.1.1.
    """
    total = torch.zeros((), dtype=next(iter(W.values())).dtype, device=next(iter(W.values())).device)
    for name, parameter in gated.items():
        gap = W[name] - Z[name] + U[name]
        owned = parameter.owned(gap)
        total = total + (gap if owned is None else gap * owned).square().sum()
    return 0.5 * rho * total


@torch.no_grad()
def add_penalty_gradient_(
    W: Mapping[str, Tensor],
    Z: Mapping[str, Tensor],
    U: Mapping[str, Tensor],
    rho: float,
    gated: Mapping[str, GatedParameter],
) -> None:
    """Add the penalty's gradient ``rho * (W - Z + U)`` to ``W.grad`` in place; no tensor is made.

    Three fused multiply-adds over all parameters at once: on a processor they run at the speed of memory, on an accelerator
    they are three launches.  Keeping ``Z - U`` ready would save one of the three and cost one more copy of the weights.  A
    parameter without a gradient this step (frozen, or not reached by the loss) is left alone.
    """
    pairs = [(name, g) for name, p in gated.items() if p.rows is None and (g := W[name].grad) is not None]
    if pairs:
        whole, gradients = [name for name, _ in pairs], [g for _, g in pairs]
        torch._foreach_add_(gradients, [W[name] for name in whole], alpha=rho)
        torch._foreach_add_(gradients, [Z[name] for name in whole], alpha=-rho)
        torch._foreach_add_(gradients, [U[name] for name in whole], alpha=rho)
    for name, parameter in gated.items():
        gradient = W[name].grad
        if parameter.rows is not None and gradient is not None:
            owned = parameter.column(parameter.rows, gradient)
            gradient.addcmul_(W[name], owned, value=rho).addcmul_(Z[name], owned, value=-rho).addcmul_(
                U[name], owned, value=rho
            )
