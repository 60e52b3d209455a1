"""Units are chosen in several ways, and the exact information gain says which was right.

How far the gates that stay make up for what goes is a guess of the joint form: with a damping the projection counts on the refit, without
one it counts on nothing.  How much a unit's cost should count beside what is lost with it is another, where costs differ
(`easiedge.projection.ranking`).  What is nearer to the truth depends on the network and on how much goes (experiments/peers), and can be
measured: the whole choice is made each way, and that mask is kept whose refitted network says more nearly what the tutor says,

    argmin over the masks m     mean over x of KL( p_tutor(x) || p(x; refitted for m) )

First the dampings, then the square of the cost with the better one.  Every fourth calibration image is kept from that refit, and only those
are judged by: what counts on the refit fits it better than it serves.  Deciding after each chunk is worse: where a tenth of the units goes
all say nearly the same, and what counts on nothing is ahead by little each time and far behind in the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.model.graph import device_of, evaluating
from easiedge.plain_values import is_number
from easiedge.processes import summed
from easiedge.projection.limits import Limits
from easiedge.projection.ranking import Ranking
from easiedge.scoring.batches import inputs_of, logits_of
from easiedge.scoring.information_gain import divergence
from easiedge.scoring.joint_information_gain import READJUST
from easiedge.scoring.score import accepts
from easiedge.surgery.calibration import Calibration
from easiedge.unit import FilterMask, FilterScores

EVERY = 4
POWERS = (1.0, 2.0)
"""1.5 chose as well as 2 on ResNet-56 and 3 worse (experiments/peers), so that more would only take time."""


@dataclass(frozen=True)
class Way:
    """How units are chosen.

    Attributes:
        readjust: damping of the joint form; 0 where it has no part.
        ranking: as in `easiedge.project`.
    """

    readjust: float
    ranking: Ranking


def dampings(criterion: str, options: Mapping[str, Any], fit: bool) -> tuple[float, ...]:
    """What to try: the criterion's ``readjust``, a number or several; with a refit READJUST and none, where nothing is said.

    Raises:
        EasiEdgeError: ``readjust`` is no finite number from 0, nor a sequence of such.
    """
    if not accepts(criterion, "readjust"):
        return (0.0,)
    asked = options.get("readjust", (READJUST, 0.0) if fit else 0.0)
    values = tuple(dict.fromkeys(asked if isinstance(asked, list | tuple) else (asked,)))
    if not values or not all(is_number(value) and 0.0 <= value < math.inf for value in values):
        raise EasiEdgeError(f"readjust={asked} must be 0, a damping such as {READJUST}, or several to try")
    return values


def rankings(criterion: str, ranking: Ranking, scope: str, bounds: Limits, fit: bool) -> Sequence[Ranking]:
    """What to try: POWERS of the cost with a refit and the joint form, where nothing is said and costs differ; else what is said."""
    differ = scope == "global" and not bounds.units_only
    return POWERS if ranking == "auto" and differ and fit and accepts(criterion, "readjust") else (ranking,)


def readjusted(scores: FilterScores, damping: float) -> FilterScores:
    """The same scores, projected with ``damping`` where they have a joint form."""
    if scores.interaction is None:
        return scores
    return replace(scores, interaction=replace(scores.interaction, readjust=damping))


class Part:
    """Every fourth image (``judged``), or the three others; all of them where there are fewer than four.

    Args:
        batches: that can be gone through again.
        judged: which part.
    """

    def __init__(self, batches: Calibration, judged: bool) -> None:
        self.batches, self.judged = batches, judged
        self.whole = sum(batches.sizes) < EVERY

    def __iter__(self) -> Iterator[Tensor]:
        """The images of each batch, without labels; batches of which nothing is left are passed over."""
        begin = 0
        for x in map(inputs_of, self.batches):
            number = torch.arange(begin, begin := begin + len(x), device=x.device)
            part = x if self.whole else x[(number % EVERY == EVERY - 1) == self.judged]
            if len(part):
                yield part


class Judge:
    """Exact information gain of whole networks: how far they are from the tutor.

    Args:
        tutor: what they should say; run once, when it is first needed.
        images: to judge by.
    """

    def __init__(self, tutor: nn.Module, images: Iterable[Tensor]) -> None:
        self.images = images
        self.told = cache(lambda: says(tutor, images))

    def loss(self, network: nn.Module) -> float:
        """``mean over x of KL( p_tutor || p )`` in nats, over the images of all processes."""
        total = torch.zeros(2, dtype=torch.float64)
        for told, said in zip(self.told(), says(network, self.images), strict=True):
            each = divergence(told.cpu().double().log_softmax(1), said.cpu().double())
            total += torch.tensor([float(each.sum()), len(each)], dtype=torch.float64)
        loss, count = summed(total).tolist()
        return loss / count


def best_way(
    dampings: Sequence[float],
    rankings: Sequence[Ranking],
    mask: Callable[[Way], FilterMask],
    loss: Callable[[FilterMask], float],
) -> Way:
    """The damping with the smallest loss at the first ranking, then one ranking further as long as the loss falls; the first among equals.

    Args:
        dampings: all are tried.
        rankings: tried one after the other, with the better damping.
        mask: what a way chooses; asked once for each way that is tried.
        loss: of a mask; asked once for each mask that is held against another.
    """
    masks = cache(mask)
    losses = cache(lambda way: loss(masks(way)))

    def better(other: Way, way: Way) -> bool:
        return not _same(masks(other), masks(way)) and losses(other) < losses(way)

    best, *others = (Way(damping, rankings[0]) for damping in dampings)
    masks(best)
    for way in others:
        best = way if better(way, best) else best
    for ranking in rankings[1:]:
        if not better(replace(best, ranking=ranking), best):
            break
        best = replace(best, ranking=ranking)
    return best


@torch.no_grad()
def says(network: nn.Module, images: Iterable[Tensor]) -> list[Tensor]:
    """Logits of ``network`` on each batch."""
    with evaluating(network):
        return [logits_of(network(x.to(device_of(network), copy=True)), at) for at, x in enumerate(images)]


def _same(one: FilterMask, other: FilterMask) -> bool:
    return all(torch.equal(kept, other.keep[name]) for name, kept in one.keep.items())
