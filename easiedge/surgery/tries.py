"""Units are chosen in two ways, and the exact information gain says which was right.

How far the gates that stay make up for what goes is a guess of the joint form: with a damping the projection counts on the refit, without
one it counts on nothing.  Which is nearer to the truth depends on the network and on how much goes (experiments/peers), and can be measured:
the whole choice is made both ways, and that mask is kept whose refitted network says more nearly what the tutor says,

    argmin over the masks m     mean over x of KL( p_tutor(x) || p(x; refitted for m) )

Every fourth calibration image is kept from that refit, and only those are judged by: what counts on the refit fits it better than it serves.
Deciding after each chunk is worse: where a tenth of the units goes both say nearly the same, and what counts on nothing is ahead by little
each time and far behind in the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.model.graph import device_of, evaluating
from easiedge.plain_values import is_number
from easiedge.processes import summed
from easiedge.scoring.batches import inputs_of, logits_of
from easiedge.scoring.information_gain import divergence
from easiedge.scoring.joint_information_gain import READJUST
from easiedge.scoring.score import accepts
from easiedge.surgery.calibration import Calibration
from easiedge.unit import FilterMask, FilterScores

EVERY = 4


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

    def best(self, masks: Sequence[FilterMask], network: Callable[[FilterMask], nn.Module]) -> int:
        """Which of ``masks`` leaves the ``network`` with the smallest loss: the first among equals."""
        distinct = [at for at, mask in enumerate(masks) if not any(_same(mask, other) for other in masks[:at])]
        return distinct[0] if len(distinct) == 1 else min(distinct, key=lambda at: self.loss(network(masks[at])))


@torch.no_grad()
def says(network: nn.Module, images: Iterable[Tensor]) -> list[Tensor]:
    """Logits of ``network`` on each batch."""
    with evaluating(network):
        return [logits_of(network(x.to(device_of(network), copy=True)), at) for at, x in enumerate(images)]


def _same(one: FilterMask, other: FilterMask) -> bool:
    return all(torch.equal(kept, other.keep[name]) for name, kept in one.keep.items())
