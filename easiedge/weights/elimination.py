"""Optimal Brain Surgeon's elimination: one weight after the other goes, and the others move so that least is lost.

    loss_q = w_q^2 / (2 [H^-1]_qq),   dw = - w_q / [H^-1]_qq * H^-1 e_q            (Hassibi & Stork, NIPS 1993)
    H^-1 <- H^-1 - H^-1 e_q e_q' H^-1 / [H^-1]_qq                                    the inverse over the weights that are left

With H held, each step is the exact answer to: which single further weight costs least, all that are left being free to move.  Blocks of
weights whose H are independent are eliminated side by side.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

AT_ONCE = 2**19  # entries of inverses that are worked on together, to stay in the cache


def eliminate(
    weights: Tensor, inverse: Tensor, alive: Tensor, counts: Tensor, owners: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Remove ``counts`` weights from each block.

    Args:
        weights: ``[blocks, size]``.
        inverse: ``[blocks, size, size]``, of the Hessian over the weights that are alive.
        alive: bool ``[blocks, size]``; what is not has gone before.
        counts: int64 ``[blocks]``, at most as many as are alive.
        owners: int64 ``[size]``, the layer of each weight, in every block; the last weight of a layer stays.  None: any may go.

    Returns:
        New weights ``[blocks, size]``, what is still alive, and the loss of each step ``[blocks, most of counts]``; infinite for steps
        that a block does not take.
    """
    step = max(1, AT_ONCE // inverse[0].numel())
    parts = [
        _eliminate(w.clone(), h.clone(), a.clone(), c, owners)
        for w, h, a, c in zip(
            weights.split(step), inverse.split(step), alive.split(step), counts.split(step), strict=True
        )
    ]
    most = int(counts.max())
    losses = [torch.nn.functional.pad(p[2], (0, most - p[2].shape[1]), value=math.inf) for p in parts]
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts]), torch.cat(losses)


def _eliminate(
    w: Tensor, inverse: Tensor, alive: Tensor, counts: Tensor, owners: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    losses = w.new_full((len(w), int(counts.max())), math.inf)
    order = counts.argsort(descending=True, stable=True)  # the blocks that still have to give come first
    w, inverse, alive, counts = w[order], inverse[order], alive[order], counts[order]
    for number in range(losses.shape[1]):
        active = int((counts > number).sum())
        blocks = torch.arange(active)
        diagonal = inverse[:active].diagonal(dim1=1, dim2=2)
        free = alive[:active] if owners is None else alive[:active] & ~_last(alive[:active], owners)
        loss = torch.where(free, w[:active].square() / (2 * diagonal), math.inf)
        least, q = loss.min(1)
        losses[order[:active], number] = least
        column, pivot = inverse[blocks, :, q], diagonal[blocks, q]
        w[:active] -= (w[blocks, q] / pivot)[:, None] * column
        inverse[:active].baddbmm_((column / pivot[:, None])[:, :, None], column[:, None, :], alpha=-1)
        w[blocks, q], alive[blocks, q] = 0.0, False
        inverse[blocks, q, :], inverse[blocks, :, q] = 0.0, 0.0
        inverse[blocks, q, q] = 1.0
    back = order.argsort()
    return w[back], alive[back], losses


def _last(alive: Tensor, owners: Tensor) -> Tensor:
    """Which weights are the only ones of their layer that are left, ``[blocks, size]``."""
    left = torch.zeros(len(alive), int(owners.max()) + 1, dtype=torch.int64)
    left.index_add_(1, owners, alive.long())
    return alive & (left[:, owners] == 1)
