"""easiedge: global filter pruning by ADMM with information gain.

Public names are loaded when first used, so that ``import easiedge`` and the command line start quickly.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "Budget": "easiedge.unit",
    "EasiEdgeError": "easiedge.errors",
    "FilterGroup": "easiedge.unit",
    "FilterMask": "easiedge.unit",
    "FilterScores": "easiedge.unit",
    "GlobalPruning": "easiedge.schedule.global_pruning",
    "Selection": "easiedge.schedule.selection",
    "compensate": "easiedge.surgery.compensate",
    "count": "easiedge.model.count",
    "device_clock": "easiedge.deploy.latency.clock",
    "find_groups": "easiedge.model.filter_groups",
    "load": "easiedge.deploy.artifact",
    "load_table": "easiedge.deploy.latency.table_file",
    "masked": "easiedge.model.gates",
    "measure_table": "easiedge.deploy.latency.measure_table",
    "project": "easiedge.projection.project",
    "prune": "easiedge.schedule.prune",
    "read_provenance": "easiedge.deploy.provenance",
    "save": "easiedge.deploy.artifact",
    "save_table": "easiedge.deploy.latency.table_file",
    "score": "easiedge.scoring.score",
    "select": "easiedge.surgery.select",
    "shrink": "easiedge.surgery.shrink",
}

__all__ = [
    "Budget",
    "EasiEdgeError",
    "FilterGroup",
    "FilterMask",
    "FilterScores",
    "GlobalPruning",
    "Selection",
    "compensate",
    "count",
    "device_clock",
    "find_groups",
    "load",
    "load_table",
    "masked",
    "measure_table",
    "project",
    "prune",
    "read_provenance",
    "save",
    "save_table",
    "score",
    "select",
    "shrink",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name in _WHERE:
        value = getattr(importlib.import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'easiedge' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*__all__, "__version__"])
