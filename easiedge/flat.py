"""A configuration by dotted names, as ``config.yaml`` is read back: a list is one value, its JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf


def plain_values_of(cfg: DictConfig) -> dict[str, Any]:
    """Every value but Hydra's own as plain Python, interpolations resolved."""
    return {
        str(name): OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        for name, value in cfg.items()
        if name != "hydra"
    }


def flat(cfg: DictConfig) -> dict[str, Any]:
    """Every value but Hydra's own by its dotted name, interpolations resolved."""
    return dict(_leaves(plain_values_of(cfg), ""))


def _leaves(value: Any, prefix: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and (value or not prefix):
        return [leaf for key, part in value.items() for leaf in _leaves(part, f"{prefix}{key}.")]
    plain = value is None or isinstance(value, bool | int | float | str)
    return [(prefix[:-1], value if plain else json.dumps(value, default=str))]
