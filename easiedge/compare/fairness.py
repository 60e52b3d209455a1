"""A comparison is fair where its cells differ in nothing but what is compared; and its budgets can be met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from easiedge.assembly import check_budget, chosen_groups, make_budget, make_network, make_selection
from easiedge.compare.cell import Setting
from easiedge.compare.request import VARIABLE
from easiedge.data.folds import deal, expect
from easiedge.errors import EasiEdgeError
from easiedge.flat import flat
from easiedge.model.filter_groups import find_groups

SAME = (
    "data",
    "folds",
    "model",
    "weights",
    "transfer",
    "groups",
    "calibration",
    "device",
    "trainer",
    "recipe.train",
    "recipe.finetune",
)
"""Parts of the configuration that have to be the same for all; epochs of fine-tuning aside, which make training equal."""


def check_fair(asked: Mapping[Setting, DictConfig], by: str, varied: Sequence[str] = ()) -> dict[str, float]:
    """The budgets that hold for all beside the matched one; refuse settings that differ in data, dense network, fine-tuning or further budgets.

    Args:
        asked: the composed configuration of each setting, with the same seed.
        by: the budget that is matched.
        varied: values or parts in which they may differ, since those are what is compared.

    Raises:
        EasiEdgeError: names the entry, the value, and that of the first.
    """
    first, wanted = next((setting, _shared(cfg, varied)) for setting, cfg in asked.items())
    limits: dict[str, Any] | None = None
    for setting, cfg in asked.items():
        mine = _shared(cfg, varied)
        for key in sorted(mine.keys() | wanted.keys()):
            value, other = mine.get(key), wanted.get(key)
            if value != other:
                raise EasiEdgeError(
                    f"{setting.method or 'the control'} has {key}={value} and {first.method or 'the control'} has {other}: "
                    f"what is compared shares it, so give {key}= on the command line, for all{_or_vary(key)}"
                )
        if setting.control:
            continue
        if cfg.projection.scope != setting.scope:
            raise EasiEdgeError(
                f"{setting.method} sets projection.scope={cfg.projection.scope}: a comparison takes scopes from compare.scopes=[...]"
            )
        others = {str(k): v for k, v in cfg.budget.items() if k != by}
        limits = others if limits is None else limits
        if others != limits or cfg.budget[by] != setting.budget:
            raise EasiEdgeError(
                f"{setting.method} sets a budget of its own: all methods share compare.budgets and budget.* of the command line"
            )
    return {name: float(value) for name, value in (limits or {}).items() if value is not None}


def check_reachable(asked: Mapping[Setting, DictConfig]) -> None:
    """Refuse budgets that no method could meet, before hours of training for nothing.

    Raises:
        EasiEdgeError: the network, its data or a budget cannot be had; milliseconds without a device.
    """
    some = next(iter(asked.values()))
    data = instantiate(some.data)
    expect(data, some.folds)
    data.setup()
    deal(data, some.folds, some.seed)
    network = make_network(some, data)
    example = data.calibration_batches(2)[0][0][:2]
    groups = chosen_groups(find_groups(network, example), some.groups)
    for setting, cfg in asked.items():
        if setting.control:
            continue
        budget = make_budget(cfg.budget)
        if budget.latency_ms_max is not None and cfg.device.kind == "none":
            raise EasiEdgeError(
                "budget.latency_ms_max needs a device: device=this_machine, or device=table device.table=FILE"
            )
        check_budget(replace(budget, latency_ms_max=None), groups, network, example, make_selection(cfg))


def _or_vary(key: str) -> str:
    return f", or compare.varied=[{key}] if it is what you compare" if _within(key, VARIABLE) else ""


def _shared(cfg: DictConfig, varied: Sequence[str]) -> dict[str, Any]:
    """What has to be the same for all."""
    free = ("recipe.finetune.epochs", *varied)
    return {key: value for key, value in flat(cfg).items() if _within(key, SAME) and not _within(key, free)}


def _within(key: str, parts: Sequence[str]) -> bool:
    """Whether a value is one of the parts or in one of them."""
    return any(f"{key}.".startswith(f"{part}.") for part in parts)
