"""Short trainings of tiny networks, thousands of them: plain tensors in memory, a plain loop, the best validation epoch stays.

Not `easiedge.training.fit`: a search trains each candidate for tens of milliseconds, and Lightning's Trainer takes longer than that to be
set up (experiments/compact_models has the figures).  Recipe, optimiser, learning rates and losses are those of `easiedge.training`;
images come without augmentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn

from easiedge.one_thread import one_thread
from easiedge.search.flat_optimizer import FlatOptimizer
from easiedge.training.learning_rate import SCHEDULES
from easiedge.training.loss import classification_loss, distillation_loss
from easiedge.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and labels.

    Attributes:
        x: float32 ``[samples, channels, height, width]``, normalised.
        y: int64 ``[samples]``.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, order=True)
class Quality:
    """What validation says; the larger one is better.

    Attributes:
        accuracy: in [0, 1].
        minus_loss: negative mean cross-entropy in nats.
    """

    accuracy: float
    minus_loss: float = -inf


@dataclass(frozen=True, eq=False)
class LeanTraining:
    """How every candidate is trained.

    Attributes:
        train, val: the parts; the test part is not here.
        recipe: epochs, optimiser, learning rate, loss.
        batch_size: of a step.
        from_scratch: fresh weights instead of those that the candidate comes with, whose own quality then counts as an epoch too.
        tutor: logits of the original network for ``train`` ``[samples, classes]`` where the recipe distils; None where it does not.
    """

    train: Samples
    val: Samples
    recipe: Recipe
    batch_size: int
    from_scratch: bool = False
    tutor: Tensor | None = None

    def __call__(self, network: nn.Module, seed: int, hold_zeros: bool = False, enough: float = inf) -> Quality:
        """Train ``network`` in place; returns the quality of its best epoch, whose weights it has in the end, in eval mode.

        What comes of it depends on the network, ``seed`` and nothing else.  A loss that is not finite ends the training.  With
        ``hold_zeros`` weights that are zero stay zero.  Training ends as soon as the accuracy is ``enough``.
        """
        with one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self.from_scratch:
                reset(network)
            best = Quality(0.0) if self.from_scratch else quality(network, self.val)
            kept = _copy(network)
            epochs = self._epochs(network, hold_zeros) if best.accuracy < enough else ()
            for found in epochs:
                if found > best:
                    best, kept = found, _copy(network)
                if best.accuracy >= enough:
                    break
            network.load_state_dict(kept)
            network.eval()
        return best

    def _epochs(self, network: nn.Module, hold_zeros: bool) -> Iterator[Quality]:
        recipe, rate = self.recipe, SCHEDULES[self.recipe.schedule]
        optimizer = FlatOptimizer(network, recipe, hold_zeros)
        try:
            for epoch in range(recipe.epochs):
                network.train()
                order = torch.randperm(len(self.train))
                x, y = self.train.x[order], self.train.y[order]
                tutor = None if self.tutor is None else self.tutor[order]
                for number, span in enumerate(spans := self._spans()):
                    optimizer.zero()
                    self._loss(network(x[span]), y[span], None if tutor is None else tutor[span]).backward()
                    progress = (epoch * len(spans) + number) / (recipe.epochs * len(spans))
                    optimizer.step(recipe.lr * rate(progress, recipe.warmup))
                found = quality(network, self.val)
                if not found.minus_loss > -inf:
                    return
                yield found
        finally:
            optimizer.release()

    def _spans(self) -> list[slice]:
        """Batches; a last one of one sample joins the one before, for batch norm's sake."""
        starts = list(range(0, len(self.train), self.batch_size))
        if len(starts) > 1 and len(self.train) - starts[-1] == 1:
            starts.pop()
        return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(self.train)], strict=True)]

    def _loss(self, logits: Tensor, labels: Tensor, tutor: Tensor | None) -> Tensor:
        recipe = self.recipe
        if tutor is None:
            return classification_loss(logits, labels, recipe.label_smoothing)
        return distillation_loss(logits, tutor, labels, recipe.temperature, recipe.distillation, recipe.label_smoothing)


@torch.no_grad()
def quality(network: nn.Module, samples: Samples) -> Quality:
    """Accuracy and negative loss on ``samples``; (0, -inf) where an output is not finite."""
    network.eval()
    logits = torch.cat([network(x) for x in samples.x.split(4096)])
    loss = float(classification_loss(logits, samples.y))
    if not bool(logits.isfinite().all()):
        return Quality(0.0)
    return Quality(float((logits.argmax(1) == samples.y).double().mean()), -loss)


@torch.no_grad()
def logits_of(network: nn.Module, samples: Samples) -> Tensor:
    """``[samples, classes]`` in eval mode."""
    network.eval()
    return torch.cat([network(x) for x in samples.x.split(4096)])


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def reset(network: nn.Module) -> None:
    """Fresh weights for every layer, by torch's own initialisation."""
    for module in network.modules():
        if callable(fresh := getattr(module, "reset_parameters", None)):
            fresh()
