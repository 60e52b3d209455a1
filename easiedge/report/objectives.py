"""What a run returns to a sweeper that searches: figures of metrics.json by dotted names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from easiedge.errors import EasiEdgeError

FIGURES = {
    "dense": ("accuracy", "params", "macs", "filters"),
    "masked": ("accuracy",),
    "pruned": ("val_accuracy", "accuracy", "accuracy_before_finetune", "params", "macs", "filters"),
    "budget.achieved": ("filters_removed", "params_removed", "macs_removed", "memory_mb", "artifact_mb", "latency_ms"),
    "latency": ("predicted_ms", "measured_ms"),
    "seconds": ("train", "score", "admm", "finetune", "total"),
}
NAMES = tuple(f"{part}.{name}" for part, names in FIGURES.items() for name in names)
DIRECTIONS = ("maximize", "minimize")


def check_objectives(names: Any, directions: Any = None) -> None:
    """Raise unless every name is a figure of metrics.json and, where the sweeper has directions, there is one for each.

    Raises:
        EasiEdgeError: the value, and what would be right.
    """
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise EasiEdgeError(f"objectives={names} must be a list: write 'objectives=[pruned.val_accuracy,pruned.macs]'")
    if unknown := [name for name in names if name not in NAMES]:
        raise EasiEdgeError(f"objectives holds {unknown[0]!r}: choose among {', '.join(NAMES)}")
    if directions is None:
        return
    given = [str(getattr(d, "name", d)) for d in ([directions] if _single(directions) else directions)]
    if unknown := [d for d in given if d not in DIRECTIONS]:
        raise EasiEdgeError(f"hydra.sweeper.direction holds {unknown[0]!r}: choose maximize or minimize")
    if len(given) != len(names):
        raise EasiEdgeError(
            f"hydra.sweeper.direction has {len(given)} directions ({', '.join(given)}) for {len(names)} objectives "
            f"({', '.join(names) or 'none'}): give one for each"
        )


def objectives_of(metrics: Any, names: Sequence[str]) -> float | tuple[float, ...] | None:
    """The figures called ``names``: one number for one name, None for none.

    Raises:
        EasiEdgeError: the run has no such figure, or it is not a finite number.
    """
    if not names:
        return None
    found = tuple(_figure(metrics, name) for name in names)
    return found[0] if len(found) == 1 else found


def _figure(metrics: Any, name: str) -> float:
    value = metrics
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise EasiEdgeError(
            f"objective {name} is {value} in this run: choose a figure that metrics.json of its command has"
        )
    return float(value)


def _single(directions: Any) -> bool:
    return isinstance(directions, str) or not isinstance(directions, Sequence)
