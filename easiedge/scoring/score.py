"""Score the units of a network by any criterion, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from easiedge.errors import EasiEdgeError
from easiedge.model.graph import device_of
from easiedge.processes import told
from easiedge.scoring.activation_entropy import activation_entropy
from easiedge.scoring.apoz import apoz
from easiedge.scoring.batches import Batches
from easiedge.scoring.channel_variance import channel_variance
from easiedge.scoring.determinism import Checked
from easiedge.scoring.geometric_median import geometric_median
from easiedge.scoring.hrank import hrank
from easiedge.scoring.information_gain import information_gain
from easiedge.scoring.joint_information_gain import joint_information_gain
from easiedge.scoring.lamp import lamp
from easiedge.scoring.layer_wise_relevance import layer_wise_relevance
from easiedge.scoring.magnitude import magnitude
from easiedge.scoring.mean_activation import mean_activation
from easiedge.scoring.mutual_information import mutual_information
from easiedge.scoring.network_slimming import network_slimming
from easiedge.scoring.optimal_brain_damage import optimal_brain_damage
from easiedge.scoring.optimal_brain_surgeon import optimal_brain_surgeon
from easiedge.scoring.random_order import random_order
from easiedge.scoring.squared_taylor import squared_taylor
from easiedge.scoring.taylor_2017 import taylor_2017
from easiedge.scoring.taylor_information_gain import taylor_information_gain
from easiedge.unit import FilterGroup, FilterScores

Scorer = Callable[..., FilterScores]

CRITERIA: dict[str, Callable[..., FilterScores]] = {
    "information_gain": information_gain,
    "taylor_information_gain": taylor_information_gain,
    "joint_information_gain": joint_information_gain,
    "optimal_brain_surgeon": optimal_brain_surgeon,
    "optimal_brain_damage": optimal_brain_damage,
    "squared_taylor": squared_taylor,
    "taylor_2017": taylor_2017,
    "layer_wise_relevance": layer_wise_relevance,
    "mutual_information": mutual_information,
    "activation_entropy": activation_entropy,
    "mean_activation": mean_activation,
    "channel_variance": channel_variance,
    "apoz": apoz,
    "hrank": hrank,
    "lamp": lamp,
    "l1_magnitude": partial(magnitude, p=1),
    "l2_magnitude": partial(magnitude, p=2),
    "geometric_median": geometric_median,
    "network_slimming": network_slimming,
    "random": random_order,
}

DIVIDED = ("taylor_information_gain", "joint_information_gain")
"""What several processes compute together; the others each of them computes, and the first one's are taken."""


def criterion_by_name(name: str) -> Callable[..., FilterScores]:
    """Look a criterion up; an unknown name lists the known ones."""
    if name not in CRITERIA:
        raise EasiEdgeError(f"unknown criterion {name!r}: choose one of {', '.join(CRITERIA)}")
    return CRITERIA[name]


def accepts(criterion: str, option: str) -> bool:
    """Whether a criterion takes an option, such as ``tutor`` or ``mask``."""
    return option in _options(criterion)


def needs_images(criterion: str) -> bool:
    """Whether a criterion looks at calibration images; those that do not have ``batches=None``."""
    return inspect.signature(criterion_by_name(criterion)).parameters["batches"].default is inspect.Parameter.empty


def plain_options(criterion: str) -> dict[str, Any]:
    """The options of a criterion that a text can give, with their defaults: numbers, names, true or false."""
    return {
        name: p.default for name, p in _options(criterion).items() if isinstance(p.default, bool | int | float | str)
    }


def check_options(criterion: str, options: Mapping[str, Any]) -> None:
    """Raise unless the criterion has every option, and plain ones are of the right kind.

    Raises:
        EasiEdgeError: unknown criterion or option, or a value of the wrong kind.
    """
    plain = plain_options(criterion)
    for name, value in options.items():
        if not accepts(criterion, name):
            raise EasiEdgeError(
                f"criterion {criterion!r} has no option {name!r}: it takes {', '.join(plain) or 'none'}"
            )
        if name in plain and not _fits(value, plain[name]):
            raise EasiEdgeError(
                f"option {name}={value!r} of criterion {criterion!r} must be {_KINDS[type(plain[name])]}, such as {plain[name]}"
            )


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}


def _options(criterion: str) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(criterion_by_name(criterion)).parameters
    return {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}


def _fits(value: Any, default: Any) -> bool:
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    return isinstance(value, int | float) if isinstance(default, float) else isinstance(value, type(default))


def score(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Batches,
    criterion: str = "taylor_information_gain",
    **options: Any,
) -> FilterScores:
    """Score every unit of ``groups``; the units with the lowest scores lose least when removed.

    Args:
        model: the network; it is left as it was found.
        groups: from `find_groups`, or any subset.
        batches: an iterable of inputs ``[batch, ...]`` or of (inputs, targets).
        criterion: a name in ``CRITERIA``.
        **options: of the criterion, such as ``probe``, ``passes``, ``seed``, ``tutor``.

    Raises:
        EasiEdgeError: unknown criterion or option, no batches, missing labels, outputs that are not finite.
    """
    function = criterion_by_name(criterion)
    check_options(criterion, options)
    if not groups:
        raise EasiEdgeError("there are no groups to score: give those that find_groups returns, or some of them")
    with torch.inference_mode(False), torch.autocast(device_of(model).type, enabled=False):
        scores = function(model, groups, Checked(model, batches), **options)
    return scores if criterion in DIVIDED else told(scores)
