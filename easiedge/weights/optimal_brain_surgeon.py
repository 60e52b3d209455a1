"""Optimal Brain Surgeon on single weights (Hassibi & Stork, *Second Order Derivatives for Network Pruning*, NIPS 1993).

The weight whose removal costs least goes, and all others move to make up for it (`easiedge.weights.elimination`), again and again, with H the
Fisher information of the weights (`easiedge.weights.weight_fisher`) plus ``alpha = damping * mean of its diagonal``.  The full inverse, over
all weights of all layers together, is built recursively as published (`easiedge.weights.inverse_fisher`); it takes 8 bytes times the square of
the number of weights, so it is for small networks.  ``block`` cuts H into blocks of so many neighbouring weights of one layer and forgets
what is outside them, as later work does for networks of millions (Kurtic et al., *The Optimal BERT Surgeon*, EMNLP 2022); the blocks are
eliminated by one ranking over all of them.  Biases and norms stay as they are, and one weight of each layer
always stays, so no layer is cut through.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.plain_values import is_number, is_whole
from easiedge.scoring.batches import Batches
from easiedge.weights.choice import check_ratio, check_scope
from easiedge.weights.elimination import eliminate
from easiedge.weights.inverse_fisher import recursive_inverse
from easiedge.weights.layers import weight_of
from easiedge.weights.surgeon_blocks import blockwise_surgeon
from easiedge.weights.surgeon_row import NAME, Probes, goal_of, in_shape
from easiedge.weights.weight_fisher import fisher_diagonal, image_gradients, probed
from easiedge.weights.weight_mask import WeightMask

FULL_LIMIT = 4096  # weights of a full inverse: 134 MB in float64
BLOCK_LIMIT = 512


def surgeon(
    network: nn.Module,
    layers: Mapping[str, nn.Module],
    batches: Batches,
    ratio: float,
    *,
    scope: str = "global",
    before: WeightMask | None = None,
    block: int | None = None,
    damping: float = 1e-3,
    probe: str = "sketch",
    passes: int = 1,
    seed: int = 0,
) -> tuple[WeightMask, dict[str, Tensor]]:
    """Which weights stay, and what they become; the network is left as it was.

    Args:
        network: where H is taken.
        layers: that lose weights.
        batches: images; no labels are needed.
        ratio: share in [0, 1) of the weights that has gone in the end.
        scope: ``"global"``, or ``"layerwise"`` for the same share of each layer.
        before: what has gone already.
        block: weights of a block; None for the full inverse.
        damping: of H, over 0.
        probe: as in `fisher_rows`, like ``passes`` and ``seed``; ``"exact"`` gives H itself.
        passes: of the random probes.
        seed: of the random probes.

    Returns:
        The mask, and the weights of each layer in its shape and dtype.

    Raises:
        ModelError: too many weights for one inverse; says the limit and the block-wise way.
    """
    check_ratio(ratio)
    check_scope(scope)
    check_damping(damping)
    known = {} if before is None else before.keep
    mask = WeightMask({n: known.get(n, keep) for n, keep in WeightMask.full(layers).keep.items()})
    total = sum(k.numel() for k in mask.keep.values())
    check_size(total, block)
    probes = (probe, passes, seed)
    if block is None:
        return _full(network, layers, batches, ratio, scope, mask, damping, probes)
    return blockwise_surgeon(network, layers, batches, ratio, scope, mask, damping, block, probes)


def check_size(weights: int, block: int | None = None) -> None:
    """Raise unless so many weights can be eliminated, all at once or in blocks.

    Raises:
        ModelError: says the limit and the block-wise way.
    """
    if block is None and weights > FULL_LIMIT:
        raise ModelError(
            f"{NAME} cannot invert the Hessian of {weights:,} weights ({8 * weights**2 / 1e9:,.1f} GB) at once, {FULL_LIMIT:,} are its limit: "
            "give block=64 for blocks of 64 weights (sparsity.options.block=64), or name fewer or smaller layers"
        )
    if block is not None and not (is_whole(block) and 2 <= block <= BLOCK_LIMIT):
        raise ModelError(f"block={block} of {NAME} must be a whole number from 2 to {BLOCK_LIMIT}")


def check_damping(damping: float) -> None:
    """Raise unless H can be inverted with it.

    Raises:
        ModelError: says what it must be.
    """
    if not is_number(damping) or not 0.0 < damping < math.inf:
        raise ModelError(
            f"damping={damping} of {NAME} must be above 0 and finite, so that H can be inverted: 0.001 for example"
        )


def _full(
    network: nn.Module, layers: Mapping[str, nn.Module], batches: Batches, ratio: float, scope: str, mask: WeightMask, damping: float,
    probes: Probes,
) -> tuple[WeightMask, dict[str, Tensor]]:  # fmt: skip
    batches = list(batches)
    alive = torch.cat([mask.keep[n].flatten() for n in layers])
    diagonal = fisher_diagonal(
        network, layers, batches, probe=probes[0], passes=probes[1], seed=probes[2], criterion=NAME
    )
    alpha = damping * float(torch.cat([d.flatten() for d in diagonal.values()]).mean()) or 1.0
    images = sum(len(b if isinstance(b, Tensor) else b[0]) for b in batches)
    inverse = recursive_inverse(_rows(network, layers, batches, alive, probes), images, alpha, len(alive))
    weights = torch.cat([weight_of(m).detach().double().cpu().flatten() for m in layers.values()]) * alive
    sizes = torch.tensor([mask.keep[n].numel() for n in layers])
    owners = torch.arange(len(sizes)).repeat_interleave(sizes)
    spans = [slice(0, len(alive))] if scope == "global" else _spans(mask, layers)
    for span in spans:  # layer by layer, what has gone stays zero and all that is left moves
        goal = goal_of(ratio, span.stop - span.start, len(layers) if scope == "global" else 1)
        count = goal - int((~alive[span]).sum())
        if count <= 0:
            continue
        inside = torch.zeros_like(alive)
        inside[span] = True
        candidates = alive & inside
        w, left, _ = eliminate(weights[None], inverse[None], candidates[None], torch.tensor([count]), owners)
        inverse = _restricted(inverse, candidates & ~left[0])
        weights, alive = w[0], alive & (left[0] | ~inside)
    return in_shape(layers, weights, alive)


def _restricted(inverse: Tensor, gone: Tensor) -> Tensor:
    """The inverse over the weights that are left: ``H^-1`` without the part that the ones that are ``gone`` explain."""
    q = gone.nonzero()[:, 0]
    columns = inverse[:, q]
    inverse = inverse - columns @ torch.linalg.solve(inverse[q][:, q], columns.mT)
    inverse[q], inverse[:, q] = 0.0, 0.0
    inverse[q, q] = 1.0
    return inverse


def _rows(
    network: nn.Module, layers: Mapping[str, nn.Module], batches: Batches, alive: Tensor, probes: Probes
) -> Iterator[Tensor]:
    """Gradients by all weights ``[images, weights]``, zero for those that have gone."""
    for batch in probed(network, layers, batches, NAME, *probes):
        parts = [
            torch.cat([g.flatten(1) for g in image_gradients(m, batch.calls[n], batch.deltas[n])])
            for n, m in layers.items()
        ]
        yield torch.cat(parts, 1).cpu() * alive


def _spans(mask: WeightMask, layers: Mapping[str, nn.Module]) -> list[slice]:
    ends = torch.tensor([mask.keep[n].numel() for n in layers]).cumsum(0).tolist()
    return [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
