"""A comparison is fair where its cells differ in nothing but what is compared; and its budgets can be met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from easiedge.assembly import check_budget, chosen_groups, make_budget, make_network, make_selection
from easiedge.compare.cell import Setting
from easiedge.data.folds import deal
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


def check_fair(asked: Mapping[Setting, DictConfig], by: str) -> None:
    """Refuse settings that differ in data, dense network, fine-tuning or further budgets.

    Args:
        asked: the composed configuration of each setting, with the same seed.
        by: the budget that is matched.

    Raises:
        EasiEdgeError: names the entry, the value, and that of the first.
    """
    first, wanted = next((setting, _shared(cfg)) for setting, cfg in asked.items())
    limits: dict[str, Any] | None = None
    for setting, cfg in asked.items():
        mine = _shared(cfg)
        for key in sorted(mine.keys() | wanted.keys()):
            value, other = mine.get(key), wanted.get(key)
            if value != other:
                raise EasiEdgeError(
                    f"{setting.method or 'the control'} has {key}={value} and {first.method or 'the control'} has {other}: "
                    f"what is compared shares it, so give {key}= on the command line, for all"
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


def check_reachable(asked: Mapping[Setting, DictConfig]) -> None:
    """Refuse budgets that no method could meet, before hours of training for nothing.

    Raises:
        EasiEdgeError: the network, its data or a budget cannot be had; milliseconds without a device.
    """
    some = next(iter(asked.values()))
    data = instantiate(some.data)
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


def _shared(cfg: DictConfig) -> dict[str, Any]:
    """What has to be the same for all."""
    parts = {key: v for key, v in flat(cfg).items() if any(f"{key}.".startswith(f"{part}.") for part in SAME)}
    return {key: v for key, v in parts.items() if key != "recipe.finetune.epochs"}
