"""Optimal Brain Surgeon in blocks: H over so many neighbouring weights of one layer, nothing outside them, one ranking over all blocks.

Memory: ``block`` numbers in float32 for each weight, three times over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from easiedge.scoring.batches import Batches
from easiedge.weights.elimination import eliminate
from easiedge.weights.layers import weight_of
from easiedge.weights.surgeon_row import NAME, Probes, goal_of, in_shape
from easiedge.weights.weight_fisher import image_gradients, probed
from easiedge.weights.weight_mask import WeightMask

ROUNDING = (
    4 * torch.finfo(torch.float32).eps
)  # damping that a block needs for its inverse in float32, for each of its weights


def blockwise_surgeon(
    network: nn.Module, layers: Mapping[str, nn.Module], batches: Batches, ratio: float, scope: str, mask: WeightMask, damping: float,
    block: int, probes: Probes,
) -> tuple[WeightMask, dict[str, Tensor]]:  # fmt: skip
    """Which weights stay, and what they become; arguments as in `easiedge.weights.optimal_brain_surgeon.surgeon`."""
    alive = {n: _blocks(mask.keep[n].flatten()[None], block)[0] for n in layers}
    fisher = {n: torch.zeros(*a.shape, block) for n, a in alive.items()}
    images = 0
    for batch in probed(network, layers, batches, NAME, *probes):
        images += batch.images
        for name, module in layers.items():
            for gradient in image_gradients(module, batch.calls[name], batch.deltas[name]):
                rows = _blocks(gradient.flatten(1), block).float().cpu() * alive[name]  # [images, blocks, block]
                rows = rows.transpose(0, 1)
                fisher[name].baddbmm_(rows.mT, rows)
    weights = {
        n: _blocks(weight_of(m).detach().float().cpu().flatten()[None], block)[0] * alive[n] for n, m in layers.items()
    }
    every, inverse = torch.cat(list(alive.values())), torch.cat(list(fisher.values())).div_(images)
    alpha = damping * float(inverse.diagonal(dim1=1, dim2=2)[every].mean()) or 1.0
    largest = inverse.diagonal(dim1=1, dim2=2).amax(1, keepdim=True)
    inverse.diagonal(dim1=1, dim2=2).add_((ROUNDING * block * largest).clamp(min=alpha))
    for start in range(0, len(inverse), 1024):
        part = slice(start, start + 1024)
        inverse[part] = torch.cholesky_inverse(torch.linalg.cholesky(inverse[part]))
    w = torch.cat(list(weights.values()))
    _, _, losses = eliminate(w, inverse, every, every.sum(1))
    losses = losses.cummax(1).values  # what must go first costs what it stands before
    counts = torch.zeros(len(w), dtype=torch.int64)
    spans = _block_spans(alive)
    if scope == "global":
        _spare_one(losses, spans)
        goal = goal_of(ratio, mask.total(), len(layers)) - sum(int((~k).sum()) for k in mask.keep.values())
        counts = _steps(losses, goal)
    else:
        for name, span in spans.items():
            keep = mask.keep[name]
            counts[span] = _steps(losses[span], goal_of(ratio, keep.numel(), 1) - int((~keep).sum()))
    w, every, _ = eliminate(w, inverse, every, counts)
    flat = torch.cat([w[spans[n]].flatten()[: mask.keep[n].numel()] for n in layers])
    left = torch.cat([every[spans[n]].flatten()[: mask.keep[n].numel()] for n in layers])
    return in_shape(layers, flat, left)


def _spare_one(losses: Tensor, spans: Mapping[str, slice]) -> None:
    """Make the dearest step of each layer infinitely dear, so that no layer is cut through."""
    for span in spans.values():
        steps = losses[span].isfinite().sum(1)
        dearest = int(losses[span].where(losses[span].isfinite(), -1.0).amax(1).argmax())
        if int(steps[dearest]):
            losses[span][dearest, int(steps[dearest]) - 1] = math.inf


def _steps(losses: Tensor, count: int) -> Tensor:
    """How many steps each block takes so that ``count`` with the lowest losses are taken in all, ``[blocks]``."""
    taken = torch.zeros(losses.numel(), dtype=torch.bool)
    taken[losses.flatten().argsort(stable=True)[: max(count, 0)]] = True
    return taken.reshape(losses.shape).sum(1)


def _block_spans(alive: Mapping[str, Tensor]) -> dict[str, slice]:
    spans, start = {}, 0
    for name, blocks in alive.items():
        spans[name] = slice(start, start + len(blocks))
        start += len(blocks)
    return spans


def _blocks(rows: Tensor, block: int) -> Tensor:
    """``[n, weights]`` as ``[n, blocks, block]``, the last one filled up with zeros."""
    missing = -rows.shape[1] % block
    return torch.nn.functional.pad(rows, (0, missing)).unflatten(1, (-1, block))
