"""From scores to a mask: the structures with the lowest scores go until the ratio is reached.

A structure is what goes together: one weight, or a kernel.  Its score is per weight, so that structures of different sizes compare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from easiedge.errors import EasiEdgeError
from easiedge.plain_values import is_number

SCOPES = ("global", "layerwise")
Scores = Mapping[str, Tensor]  # by layer, one per structure, in any shape


def check_ratio(ratio: object, name: str = "ratio") -> None:
    """Raise unless ``ratio`` is a share in [0, 1).

    Raises:
        EasiEdgeError: says what it must be.
    """
    if not is_number(ratio) or not 0.0 <= ratio < 1.0:  # type: ignore[operator]
        raise EasiEdgeError(
            f"{name}={ratio} is outside [0, 1): give the share of the weights that goes, 0.9 for nine of ten"
        )


def check_scope(scope: str) -> None:
    """Raise unless ``scope`` is known.

    Raises:
        EasiEdgeError: lists those that are.
    """
    if scope not in SCOPES:
        raise EasiEdgeError(f"unknown scope {scope!r}: choose one of {', '.join(SCOPES)}")


def lowest_removed(
    scores: Scores, ratio: float, scope: str = "global", *, sizes: Mapping[str, int] | None = None
) -> dict[str, Tensor]:
    """Which structures stay, bool in the shapes of ``scores``: those with the lowest scores go until at least ``ratio`` of the weights has.

    Among equal scores the first goes first.  The structure with the highest score of each layer always stays, so no layer is cut through.

    Args:
        scores: by layer; ``-inf`` for what is gone already and so goes first.
        ratio: share in [0, 1) of the weights.
        scope: ``"global"`` ranks all layers together, ``"layerwise"`` removes the same share of each.
        sizes: weights of one structure of each layer; 1 by default.

    Raises:
        EasiEdgeError: a ratio or scope that cannot be, or scores that are not numbers.
    """
    check_ratio(ratio)
    check_scope(scope)
    for name, values in scores.items():
        if bool(torch.isnan(values).any()) or bool((values == math.inf).any()):
            raise EasiEdgeError(
                f"the scores of layer {name!r} are not finite: check the weights and the images for NaN or infinity"
            )
    sizes = sizes or dict.fromkeys(scores, 1)
    if scope == "layerwise":
        return {name: _kept({name: values}, ratio, sizes)[name] for name, values in scores.items()}
    return _kept(scores, ratio, sizes)


def _kept(scores: Scores, ratio: float, sizes: Mapping[str, int]) -> dict[str, Tensor]:
    flat = {name: values.detach().double().cpu().flatten().clone() for name, values in scores.items()}
    for values in flat.values():
        values[values.argmax()] = math.inf
    weights = torch.cat([torch.full((len(v),), sizes[name]) for name, v in flat.items()])
    every = torch.cat(list(flat.values()))
    order = every.argsort(stable=True)
    goal = math.ceil(ratio * int(weights.sum()) - 1e-9)
    gone = int((weights[order].cumsum(0) < goal).sum()) + 1 if goal else 0
    gone = min(gone, len(every) - len(flat))
    keep = torch.ones(len(every), dtype=torch.bool)
    keep[order[:gone]] = False
    parts = keep.split([len(v) for v in flat.values()])
    return {name: part.reshape(scores[name].shape) for name, part in zip(flat, parts, strict=True)}
