"""One cut: criterion, level, scope and ratio in, a mask and the weights' new values out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError, ModelError
from easiedge.projection.project import project
from easiedge.scoring.batches import Batches, inputs_of
from easiedge.unit import Budget, FilterGroup, FilterScores
from easiedge.weights.channel_activity import inbound_activity
from easiedge.weights.choice import check_ratio, check_scope, lowest_removed
from easiedge.weights.dead_units import mask_of_units
from easiedge.weights.layers import weight_of
from easiedge.weights.magnitude import weight_magnitude
from easiedge.weights.optimal_brain_damage import weight_saliency
from easiedge.weights.optimal_brain_surgeon import surgeon
from easiedge.weights.strided import strided_mask
from easiedge.weights.weight_mask import WeightMask

LEVELS = ("weight", "kernel", "strided", "channel")
SURGEON = "optimal_brain_surgeon"
CRITERIA: dict[str, Callable[..., Any]] = {
    "magnitude": lambda network, layers, batches: weight_magnitude(layers),
    "optimal_brain_damage": weight_saliency,
    "channel_activity": inbound_activity,
    SURGEON: surgeon,
}
_OWN = ("scope", "before")  # arguments of the surgeon that are not options


@dataclass(frozen=True, eq=False)
class Cut:
    """What a cut leaves.

    Attributes:
        mask: which weights stay; layers that lose none need not be in it.
        values: what the weights become, where the criterion moves them.
    """

    mask: WeightMask
    values: Mapping[str, Tensor]


@dataclass(frozen=True)
class Cutting:
    """How weights are chosen.

    Attributes:
        criterion: ``magnitude``, ``optimal_brain_damage``, ``optimal_brain_surgeon`` or ``channel_activity``.
        level: ``weight``, or of Anwar et al.: ``kernel``, ``strided`` (convolutions only, both) or ``channel`` (units).
        scope: ``global`` or ``layerwise``; a stride is chosen for each layer by itself.
        options: of the criterion, and ``per_source`` of the level ``strided``.
    """

    criterion: str = "magnitude"
    level: str = "weight"
    scope: str = "global"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is unknown or does not go together."""
        check_scope(self.scope)
        for what, value, known in (("criterion", self.criterion, CRITERIA), ("level", self.level, LEVELS)):
            if value not in known:
                raise EasiEdgeError(f"sparsity.{what}={value} is unknown: choose one of {', '.join(known)}")
        if self.criterion == SURGEON and self.level != "weight":
            raise EasiEdgeError(f"{SURGEON} removes single weights, not {self.level}s: leave sparsity.level=weight")
        for name in self.options:
            if name not in self.known_options():
                known_names = ", ".join(self.known_options()) or "none"
                raise EasiEdgeError(f"sparsity.options.{name} is unknown for {self.criterion}: it takes {known_names}")

    def known_options(self) -> list[str]:
        """Names of the options that this criterion and level take."""
        parameters = inspect.signature(CRITERIA[self.criterion]).parameters.values()
        own = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in _OWN]
        return own + (["per_source"] if self.level == "strided" else [])

    def __call__(
        self,
        network: nn.Module,
        layers: Mapping[str, nn.Module],
        batches: Sequence[Any],
        ratio: float,
        *,
        before: WeightMask | None = None,
        groups: Sequence[FilterGroup] = (),
    ) -> Cut:
        """Choose what goes, so that at least ``ratio`` of the weights of ``layers`` has gone in the end.

        Args:
            network: a plain one, left as it was.
            layers: that lose weights.
            batches: images for criteria that look at them.
            ratio: share in [0, 1).
            before: what has gone already.
            groups: of the network, for the level ``channel``.

        Raises:
            EasiEdgeError: a ratio that cannot be reached, or layers that the level does not have.
        """
        check_ratio(ratio)
        options = {k: v for k, v in self.options.items() if k != "per_source"}
        before = WeightMask({n: k for n, k in before.keep.items() if n in layers}) if before is not None else None
        if self.criterion == SURGEON:
            mask, values = surgeon(network, layers, batches, ratio, scope=self.scope, before=before, **options)
            return Cut(mask, values)
        scores = CRITERIA[self.criterion](network, layers, batches, **options)
        made = self._mask(network, layers, batches, ratio, scores, before, groups)
        return Cut(made if before is None else made.within(before), {})

    def _mask(
        self, network: nn.Module, layers: Mapping[str, nn.Module], batches: Sequence[Any], ratio: float, scores: dict[str, Tensor],
        before: WeightMask | None, groups: Sequence[FilterGroup],
    ) -> WeightMask:  # fmt: skip
        if self.level == "channel":
            return _of_channels(network, layers, batches, ratio, scores, self.scope, groups)
        if before is not None:  # what has gone goes first
            scores = {
                n: s.masked_fill(~before.keep[n], -float("inf")) if n in before.keep else s for n, s in scores.items()
            }
        if self.level == "weight":
            return WeightMask(lowest_removed(scores, ratio, self.scope))
        scores = {n: s for n, s in scores.items() if s.ndim > 2}
        if not scores:
            raise ModelError(
                f"no convolution is among {', '.join(layers)}: the levels kernel and strided are theirs; choose sparsity.level=weight"
            )
        if self.level == "strided":
            finite = {n: s.clamp(min=0.0) for n, s in scores.items()}
            return strided_mask(finite, ratio, per_source=bool(self.options.get("per_source", False)))
        kernels = {n: s.flatten(2).mean(2) for n, s in scores.items()}
        sizes = {n: s[0, 0].numel() for n, s in scores.items()}
        kept = lowest_removed(kernels, ratio, self.scope, sizes=sizes)
        return WeightMask(
            {
                n: k.reshape(*k.shape, *[1] * (scores[n].ndim - 2)).expand(scores[n].shape).clone()
                for n, k in kept.items()
            }
        )


def _of_channels(
    network: nn.Module, layers: Mapping[str, nn.Module], batches: Batches, ratio: float, scores: Mapping[str, Tensor], scope: str,
    groups: Sequence[FilterGroup],
) -> WeightMask:  # fmt: skip
    """Units, by the mean score of the weights that make them, until ``ratio`` of the network's parameters would go with them."""
    chosen = [g for g in groups if g.layers and all(layer in layers for layer in g.layers)]
    if not chosen:
        raise ModelError(
            f"no units are made by {', '.join(layers)} alone: name more layers, or choose another sparsity.level"
        )
    values = {}
    for group in chosen:
        parts = [scores[layer].flatten(1)[group.produced(layer)].flatten(1) for layer in group.layers]
        values[group.name] = torch.cat(parts, 1).mean(1)
    example = inputs_of(next(iter(batches)))[:2]
    units = project(
        FilterScores(values, "weights"), chosen, budget=Budget(params_removed=ratio), scope=scope, model=network, example_inputs=example,
        ranking="per_cost", collapse="ignore",
    )  # fmt: skip
    return mask_of_units(network, chosen, units)


def write_values(network: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Write what a cut has made of the weights into a plain network."""
    for name, value in values.items():
        weight_of(network.get_submodule(name)).data.copy_(value)
