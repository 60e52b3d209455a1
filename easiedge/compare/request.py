"""What ``compare.*`` asks for, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig

from easiedge.errors import EasiEdgeError
from easiedge.plain_values import is_number, is_whole
from easiedge.projection.budget import FIELDS
from easiedge.projection.project import SCOPES
from easiedge.unit import Budget

VARIABLE = ("recipe.finetune", "calibration")
"""Parts of the configuration that are the same for all unless ``compare.varied`` names them: what comes after the dense network."""


@dataclass(frozen=True)
class Request:
    """A comparison.

    Attributes:
        methods: method presets, overrides behind the name: ``"one_shot scoring=l1_magnitude"``, and a name for tables before it if that
            is long: ``"L1: one_shot scoring=l1_magnitude"``; the first is what others are compared with.
        criteria: scoring of all methods, one after the other; empty leaves each method its own.
        scopes: of ``global`` and ``layerwise``; empty leaves each method its own.
        by: the budget that is matched, a field of `Budget`.
        budgets: its values.
        seeds: every cell is run with each.
        epochs: training after the dense network, the same for all; None takes that of the method that trains longest.
        varied: values of the configuration, all below ``VARIABLE``, in which methods may differ.
        control: add the dense network, trained for as many epochs.
        confidence: of the intervals.
    """

    methods: tuple[str, ...]
    criteria: tuple[str, ...]
    scopes: tuple[str, ...]
    by: str
    budgets: tuple[float, ...]
    seeds: tuple[int, ...]
    epochs: int | None
    varied: tuple[str, ...]
    control: bool
    confidence: float


def request_of(cfg: DictConfig, first_seed: int) -> Request:
    """The section ``compare`` of the configuration.

    Args:
        cfg: the section.
        first_seed: where seeds begin when ``seeds`` is how many.

    Raises:
        EasiEdgeError: a value that means nothing, named, with those that do.
    """
    by = cfg.by
    if by not in FIELDS:
        raise EasiEdgeError(f"compare.by={by} is no budget: choose one of {', '.join(FIELDS)}")
    return Request(
        methods=_texts(cfg.methods, "methods", least=1),
        criteria=_texts(cfg.criteria, "criteria"),
        scopes=_scopes(cfg.scopes),
        by=by,
        budgets=_budgets(cfg.budgets, by),
        seeds=_seeds(cfg.seeds, first_seed),
        epochs=_epochs(cfg.epochs),
        varied=_varied(cfg.varied),
        control=_switch(cfg.control, "control"),
        confidence=_confidence(cfg.confidence),
    )


def _several(value: Any) -> list[Any]:
    """A list, or one value standing for a list of it; nothing for None."""
    if value is None:
        return []
    return list(value) if isinstance(value, ListConfig | list | tuple) else [value]


def _texts(value: Any, name: str, least: int = 0) -> tuple[str, ...]:
    found = _several(value)
    if not all(isinstance(v, str) and v.strip() for v in found) or len(found) < least:
        raise EasiEdgeError(f"compare.{name}={value} must be names: compare.{name}=[easiedge,one_shot] for example")
    return _distinct([" ".join(v.split()) for v in found], name)


def _scopes(value: Any) -> tuple[str, ...]:
    found = _several(value)
    for scope in found:
        if scope not in SCOPES:
            raise EasiEdgeError(f"compare.scopes={scope} is unknown: choose of {', '.join(SCOPES)}")
    return _distinct(found, "scopes")


def _budgets(value: Any, by: str) -> tuple[float, ...]:
    found = _several(value)
    if not found or not all(is_number(v) for v in found):
        raise EasiEdgeError(f"compare.budgets={value} must be numbers: compare.budgets=[0.3,0.5] for example")
    for budget in found:
        Budget(**{by: budget})  # says what is wrong with it
        if by.endswith("_removed") and budget == 0:
            raise EasiEdgeError(
                f"compare.budgets={value} holds 0, which removes nothing: the control row is there for that"
            )
    return _distinct([float(b) for b in found], "budgets")


def _seeds(value: Any, first: int) -> tuple[int, ...]:
    if is_whole(value) and value >= 1:
        return tuple(range(first, first + value))
    found = _several(value) if not is_whole(value) else []
    if not found or not all(is_whole(v) and v >= 0 for v in found):
        raise EasiEdgeError(f"compare.seeds={value} must be how many (5), or a list of whole numbers from 0 ([0,1,2])")
    return _distinct(found, "seeds")


def _epochs(value: Any) -> int | None:
    if value is not None and not (is_whole(value) and value >= 1):
        raise EasiEdgeError(f"compare.epochs={value} must be a whole number from 1, or null")
    return value


def _varied(value: Any) -> tuple[str, ...]:
    found = _several(value)
    for name in found:
        if not isinstance(name, str) or not any(name.startswith(f"{part}.") for part in VARIABLE):
            raise EasiEdgeError(
                f"compare.varied={name} cannot differ between methods: it takes values of {' and '.join(VARIABLE)}, "
                "such as [recipe.finetune.distillation]"
            )
    if "recipe.finetune.epochs" in found:
        raise EasiEdgeError(
            "compare.varied=recipe.finetune.epochs: all methods train for equally many epochs, compare.epochs= in all"
        )
    return _distinct(found, "varied")


def _switch(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise EasiEdgeError(f"compare.{name}={value} must be true or false")
    return value


def _confidence(value: Any) -> float:
    if not is_number(value) or not 0.5 <= value < 1:
        raise EasiEdgeError(f"compare.confidence={value} must be a share in [0.5, 1): 0.95 for 95 %")
    return float(value)


def _distinct(values: Sequence[Any], name: str) -> tuple[Any, ...]:
    twice = {v for v in values if list(values).count(v) > 1}
    if twice:
        raise EasiEdgeError(f"compare.{name} holds {', '.join(map(str, sorted(twice)))} twice: once is enough")
    return tuple(values)
