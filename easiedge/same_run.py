"""A run directory belongs to one run: another command or other settings are refused before anything of it is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from easiedge.atomic import write_atomically
from easiedge.deciding import deciding
from easiedge.errors import EasiEdgeError
from easiedge.flat import flat
from easiedge.settings_apart import settings_apart

RECORD = Path("checkpoints") / "settings.json"
LOST = ("metrics.json", "pruned", "dense", "checkpoints/finished.json", "checkpoints/[0-9][0-9][0-9]-*/*.sealed")
"""What another run would replace."""
_SHOWN = 4


def keep_settings(cfg: DictConfig, command: str, directory: Path) -> None:
    """Remember what the run in ``directory`` is."""
    record = {"command": command, "settings": deciding(flat(cfg))}
    write_atomically(directory / RECORD, json.dumps(record, indent=1) + "\n")


def refuse_another_run(cfg: DictConfig, command: str, directory: Path) -> None:
    """Raise if ``directory`` holds finished or half-finished work of another command, or of one with other settings.

    Raises:
        EasiEdgeError: names the settings that differ.
    """
    known = _record(directory)
    if known is None or not any(any(directory.glob(pattern)) for pattern in LOST):
        return
    mend = "choose another hydra.run.dir, or remove that run"
    if known["command"] != command:
        raise EasiEdgeError(f"{directory} holds a run of easiedge {str(known['command'])[:20]}: {mend}")
    there, here = known["settings"], deciding(flat(cfg))
    different = settings_apart(there, here)
    if different:
        shown = [
            f"{name}={there.get(name, 'nothing')} there, {here.get(name, 'nothing')} here"
            for name in different[:_SHOWN]
        ]
        more = f"; and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
        raise EasiEdgeError(f"{directory} holds a run with other settings ({'; '.join(shown)}{more}): {mend}")


def _record(directory: Path) -> dict[str, Any] | None:
    try:
        known = json.loads((directory / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(known, dict) and "command" in known and isinstance(known.get("settings"), Mapping)
    return known if whole else None
