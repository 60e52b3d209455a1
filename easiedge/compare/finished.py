"""Cells that have finished: their figures, and whether they were made with the settings asked for now."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from easiedge.errors import EasiEdgeError

NEEDED = (
    ("dense", "accuracy"), ("pruned", "accuracy"), ("pruned", "accuracy_before_finetune"), ("budget", "achieved"), ("seconds", "total"),
    ("model",), ("data",), ("versions",),
)  # fmt: skip
OF_OTHER_COMMANDS = {
    "compare",
    "fidelity",
    "sensitivity",
    "logger",
    "trainer",
}  # parts of a configuration that change no figure


class UnusableError(EasiEdgeError):
    """A cell's figures cannot be used; the message says why."""


def finished_metrics(home: Path) -> dict[str, Any] | None:
    """``metrics.json`` of a cell; None where there is none.

    Raises:
        UnusableError: it is not whole, or a figure that is needed is missing or no number.
    """
    path = home / "metrics.json"
    try:
        metrics = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UnusableError(f"{path} cannot be read ({str(error).splitlines()[0]})") from error
    for keys in NEEDED:
        value: Any = metrics
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is None or (keys[-1].startswith("accuracy") and not _is_accuracy(value)):
            raise UnusableError(f"{path}: {'.'.join(keys)} is {value!r}, not a figure that can be compared")
    return metrics


def check_settings(home: Path, asked: DictConfig) -> None:
    """Refuse to mix cells of two studies.

    Raises:
        EasiEdgeError: the cell was made with another configuration; names up to three values that differ.
    """
    try:
        before = yaml.load((home / "config.yaml").read_text(), Loader=yaml.CSafeLoader)
    except (OSError, yaml.YAMLError):
        before = None
    now = OmegaConf.to_container(asked, resolve=True)
    was, wanted = _flat(before), _flat(now)
    apart = [key for key in sorted(was.keys() | wanted.keys()) if was.get(key) != wanted.get(key)]
    if apart:
        shown = ", ".join(f"{key}: {was.get(key)} then, {wanted.get(key)} now" for key in apart[:3])
        raise EasiEdgeError(
            f"{home} was made with other settings ({shown}{', ...' if len(apart) > 3 else ''}): choose another hydra.run.dir, or delete that cell"
        )


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {prefix[:-1]: value}
    chosen = {k: v for k, v in value.items() if prefix or k not in OF_OTHER_COMMANDS}
    return {name: leaf for key, part in chosen.items() for name, leaf in _flat(part, f"{prefix}{key}.").items()}


def _is_accuracy(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1
