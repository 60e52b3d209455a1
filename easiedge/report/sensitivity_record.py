"""What ``easiedge sensitivity`` found, as a value and as the files it leaves: sensitivity.json and sensitivity.csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from easiedge.atomic import write_atomically
from easiedge.errors import EasiEdgeError
from easiedge.plain_values import finite

FILE = "sensitivity.json"
KIND = "layer_sensitivity"


@dataclass(frozen=True)
class GroupCurve:
    """One group's accuracies.

    Attributes:
        name: of the group.
        size: its units.
        removed: units that go at each share.
        accuracy: in [0, 1], at each share; all other groups are whole.
        seconds: to measure them.
    """

    name: str
    size: int
    removed: tuple[int, ...]
    accuracy: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class LayerSensitivity:
    """Accuracy against the share removed from one group at a time.

    Attributes:
        identity: digest of network, images and request; other results are not continued.
        images: on which accuracy was measured.
        dense: accuracy with nothing removed.
        scoring_seconds: one scoring of all units, by which a global choice would be made.
        groups: those that are done, in forward order.
    """

    model: str
    data: str
    seed: int
    split: str
    images: int
    dense: float
    shares: tuple[float, ...]
    criterion: str
    compensation: str
    identity: str
    scoring_seconds: float = 0.0
    groups: tuple[GroupCurve, ...] = field(default=())

    def with_group(self, curve: GroupCurve) -> LayerSensitivity:
        """The same with one more group."""
        return replace(self, groups=(*self.groups, curve))

    @property
    def seconds(self) -> float:
        """Spent on all groups, over all sittings."""
        return sum(g.seconds for g in self.groups)

    def lost(self) -> dict[str, float]:
        """Accuracy lost on average over the shares, by group: the area between the dense line and the curve."""
        return {g.name: self.dense - sum(g.accuracy) / len(g.accuracy) for g in self.groups}


def as_record(found: LayerSensitivity) -> dict[str, Any]:
    """What is in sensitivity.json."""
    groups = [
        {"name": g.name, "size": g.size, "accuracy": list(g.accuracy), "removed": list(g.removed), "seconds": g.seconds}
        for g in found.groups
    ]
    return {
        "schema": 1, "kind": KIND, "model": found.model, "data": found.data, "seed": found.seed, "metric": "accuracy",
        "split": found.split, "images": found.images, "dense": found.dense, "shares": list(found.shares), "groups": groups,
        "seconds": {"sensitivity": found.seconds, "one_global_scoring": found.scoring_seconds},
        "criterion": found.criterion, "compensation": found.compensation, "identity": found.identity,
    }  # fmt: skip


def rows_of(found: LayerSensitivity) -> list[dict[str, Any]]:
    """One row for each group and share."""
    return [
        {"group": g.name, "units": g.size, "share": share, "removed": removed, "accuracy": accuracy}
        for g in found.groups
        for share, removed, accuracy in zip(found.shares, g.removed, g.accuracy, strict=True)
    ]


def write_sensitivity(found: LayerSensitivity, directory: Path) -> None:
    """``sensitivity.json`` and ``sensitivity.csv``."""
    write_atomically(directory / FILE, json.dumps(finite(as_record(found)), indent=1, allow_nan=False) + "\n")
    out = io.StringIO()
    writer = csv.DictWriter(out, ["group", "units", "share", "removed", "accuracy"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows_of(found))
    write_atomically(directory / "sensitivity.csv", out.getvalue())


def continued(fresh: LayerSensitivity, directory: Path) -> LayerSensitivity:
    """``fresh`` with the groups that an earlier sitting has left in ``directory``.

    Raises:
        EasiEdgeError: what is there belongs to another request, or is no record.
    """
    path = directory / FILE
    if not path.exists():
        return fresh
    try:
        known = json.loads(path.read_text())
        same = known["identity"] == fresh.identity
        done = tuple(_curve(g, len(fresh.shares)) for g in known["groups"]) if same else ()
        seconds = float(known["seconds"]["one_global_scoring"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, OSError) as error:
        raise EasiEdgeError(
            f"{path} is not a record of easiedge sensitivity ({type(error).__name__}: {error}): delete it, or choose another hydra.run.dir="
        ) from error
    if not same:
        raise EasiEdgeError(
            f"{path} holds the sensitivity of another network, other images or another request: choose another directory (hydra.run.dir=) or delete it"
        )
    return replace(fresh, groups=done, scoring_seconds=seconds)


def _curve(group: Mapping[str, Any], shares: int) -> GroupCurve:
    accuracy, removed = tuple(map(float, group["accuracy"])), tuple(map(int, group["removed"]))
    if not len(accuracy) == len(removed) == shares:
        raise ValueError(f"group {group['name']} has {len(accuracy)} accuracies for {shares} shares")
    return GroupCurve(str(group["name"]), int(group["size"]), removed, accuracy, float(group["seconds"]))
