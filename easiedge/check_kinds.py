"""The kinds of all values of a configuration, checked once, before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from easiedge.errors import EasiEdgeError
from easiedge.flat import plain_values_of
from easiedge.kinds import KINDS, SECTIONS


def check_kinds(cfg: DictConfig) -> None:
    """Raise unless every section is one, and every value of ``KINDS`` that is there is of its kind.

    Raises:
        EasiEdgeError: names the value and what it must be.
    """
    for name in SECTIONS:
        if not isinstance(OmegaConf.select(cfg, name), DictConfig):
            raise EasiEdgeError(
                f"{name}={_shown(OmegaConf.select(cfg, name))} is of the wrong kind: it is a section, whose values are given one by one as {name}.KEY=VALUE"
            )
    plain = plain_values_of(cfg)
    for name, kind in KINDS.items():
        section: Any = plain
        *path, leaf = name.split(".")
        for part in path:
            section = section[part]
        if (
            isinstance(section, Mapping)
            and leaf in section
            and section[leaf] != "???"
            and not kind.holds(section[leaf])
        ):
            raise EasiEdgeError(f"{name}={_shown(section[leaf])} is of the wrong kind: it must be {kind.words}")


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
