"""TQ: thresholds on weights, then fewer digits, each as far as accuracy allows (Wu et al. 2022).

    threshold   every weight with |w| < t becomes zero, t = 0.3, 0.4, ... while accuracy >= T_weights * that before
    digits      every weight and bias becomes a multiple of 2^-b, b = 15, 14, ... while accuracy >= T_digits * that before

Thresholds are absolute, as published.  Where the first one fails already, smaller ones are tried downwards in the same steps, and where none
holds all weights stay: that, and binary instead of decimal digits, which fixed point needs, are this project's.  Biases have no threshold.
With ``epochs`` the weights that are left are trained after each threshold, with zeros held.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from easiedge.search.acceptance import least_accuracy
from easiedge.search.lean_training import Quality

MOST_DIGITS = 15


@dataclass(frozen=True)
class TqRequest:
    """What is asked for.

    Attributes:
        T_weights, T_digits: least accuracy after each part, as a share of that before TQ.
        threshold, step: the first threshold and the step to the next.
        epochs: of training after a threshold; 0 for none.
    """

    T_weights: float = 0.995
    T_digits: float = 0.99
    threshold: float = 0.3
    step: float = 0.1
    epochs: int = 0


@dataclass(frozen=True, eq=False)
class TqResult:
    """What came of it.

    Attributes:
        network: with zeros, and weights of few digits.
        threshold: 0 where none held.
        digits: binary digits behind the point; None where even the most do not hold.
        quality: validation quality.
        zeros: weights (without biases) that are zero, and all of them.
    """

    network: nn.Module
    threshold: float
    digits: int | None
    quality: Quality
    zeros: tuple[int, int]


def tq(
    network: nn.Module,
    request: TqRequest,
    validate: Callable[[nn.Module], Quality],
    retrain: Callable[[nn.Module], None] | None = None,
) -> TqResult:
    """Threshold, then round; ``network`` is left as it was.

    Args:
        network: the structured result.
        request: thresholds.
        validate: quality on validation samples.
        retrain: trains a network with its zero weights held; None for none.
    """
    before = validate(network).accuracy
    threshold, sparse, found = _sparsest(network, request, before, validate, retrain)
    digits: int | None = None
    for count in range(MOST_DIGITS, -1, -1):
        rounded = with_digits(sparse, count)
        if (quality := validate(rounded)).accuracy < least_accuracy(request.T_digits, before):
            break
        digits, chosen, found = count, rounded, quality
    result = sparse if digits is None else chosen
    return TqResult(result, threshold, digits, found, zeros_of(result))


def _sparsest(
    network: nn.Module, request: TqRequest, before: float, validate: Callable[[nn.Module], Quality],
    retrain: Callable[[nn.Module], None] | None,
) -> tuple[float, nn.Module, Quality]:  # fmt: skip
    best = (0.0, network, validate(network))
    for threshold in _upwards(request):
        tried = under(network if retrain is None else best[1], threshold)
        if retrain is not None:
            retrain(tried)
        quality = validate(tried)
        if quality.accuracy < least_accuracy(request.T_weights, before):
            break
        best = (threshold, tried, quality)
        if zeros_of(tried)[0] == zeros_of(tried)[1]:
            break
    if best[0]:
        return best
    for threshold in _downwards(request):
        tried = under(network, threshold)
        if retrain is not None:
            retrain(tried)
        quality = validate(tried)
        if quality.accuracy >= least_accuracy(request.T_weights, before):
            return threshold, tried, quality
    return best


def _upwards(request: TqRequest) -> Iterator[float]:
    number = 0
    while True:
        yield round(request.threshold + number * request.step, 9)
        number += 1


def _downwards(request: TqRequest) -> Iterator[float]:
    threshold = round(request.threshold - request.step, 9)
    while threshold > 1e-9:
        yield threshold
        threshold = round(threshold - request.step, 9)


@torch.no_grad()
def under(network: nn.Module, threshold: float) -> nn.Module:
    """A copy in which weights (tensors of two or more dimensions) of a smaller magnitude are zero."""
    made = copy.deepcopy(network)
    for p in made.parameters():
        if p.ndim > 1:
            p[p.abs() < threshold] = 0.0
    return made


@torch.no_grad()
def with_digits(network: nn.Module, digits: int) -> nn.Module:
    """A copy whose parameters are multiples of ``2 ** -digits``."""
    made = copy.deepcopy(network)
    for p in made.parameters():
        p.copy_((p * 2.0**digits).round() / 2.0**digits)
    return made


def zeros_of(network: nn.Module) -> tuple[int, int]:
    """Zero weights and all weights, of tensors of two or more dimensions."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    return sum(int((w == 0).sum()) for w in weights), sum(w.numel() for w in weights)
