"""``sensitivity.json`` of ``easiedge sensitivity``: accuracy against the share removed from one layer at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from easiedge.errors import RunError
from easiedge.report.page.chart import Axis, Heat, Lines, Series
from easiedge.report.runs.fields import mapping, name_of, number, sequence, share, whole
from easiedge.report.runs.text import read_json

SCHEMA, KIND = 1, "layer_sensitivity"
NAMED = 10  # lines with a colour each; more get a scale from the first layer to the last


@dataclass(frozen=True)
class GroupSensitivity:
    """One group: its units, and the accuracy at each share."""

    name: str
    size: int
    accuracy: tuple[float, ...]


@dataclass(frozen=True)
class Sensitivity:
    """One file.

    Attributes:
        dense: accuracy of the dense network.
        shares: removed from one group at a time.
        seconds: that the analysis took, beside one global scoring; empty where not measured.
    """

    path: Path
    model: str
    data: str
    seed: int
    split: str
    criterion: str
    dense: float
    shares: tuple[float, ...]
    groups: tuple[GroupSensitivity, ...]
    seconds: Mapping[str, float]


def read_sensitivity(path: Path) -> Sensitivity:
    """The analysis in a file.

    Raises:
        RunError: names the field that is wrong.
    """
    found = read_json(path)
    schema = whole(found, "schema", low=-(10**9))
    if schema != SCHEMA:
        raise RunError(f"sensitivity.json has schema {schema}: this easiedge reads {SCHEMA}")
    if name_of(found, "kind") != KIND:
        raise RunError(f"kind is {found['kind']!r}, not {KIND!r}")
    shares = _shares(found, "shares")
    if not shares or list(shares) != sorted(set(shares)):
        raise RunError("shares do not rise from one to the next")
    groups = []
    for i, group in enumerate(sequence(found, "groups"), 1):
        if not isinstance(group, Mapping):
            raise RunError(f"groups: number {i} is not an object")
        accuracies = _shares(group, "accuracy")
        if len(accuracies) != len(shares):
            raise RunError(f"groups: number {i} has {len(accuracies)} accuracies for {len(shares)} shares")
        groups.append(GroupSensitivity(name_of(group, "name"), whole(group, "size", low=1), accuracies))
    if not groups:
        raise RunError("groups are empty")
    seconds = mapping(found, "seconds")
    return Sensitivity(
        path, name_of(found, "model"), name_of(found, "data"), whole(found, "seed"), name_of(found, "split"), name_of(found, "criterion"),
        share(found, "dense"), shares, tuple(groups), {name: number(seconds, name, 0.0) or 0.0 for name in seconds},
    )  # fmt: skip


def sensitivity_charts(found: Sensitivity, number: int) -> tuple[Lines, Heat]:
    """Curves, and a heat map with a row for each group in forward order."""
    title = f"{found.model} on {found.data}, {found.criterion}"
    few, most = len(found.groups) <= NAMED, max(len(found.groups) - 1, 1)
    x, y = Axis("removed from one layer [%]", "percent"), Axis(f"{found.split} accuracy [%]", "percent")
    dense = Series(
        "dense network",
        (min(0.0, found.shares[0]), found.shares[-1]),
        (found.dense,) * 2,
        hue=-1,
        dashed=True,
        marks=False,
    )
    lines = (
        Series(g.name, found.shares, g.accuracy, hue=i, shade=None if few else i / most)
        for i, g in enumerate(found.groups)
    )
    note = "" if few else "Colours go from the first layer to the last; the name of a line shows under the pointer."
    return (
        Lines(f"sensitivity-{number}-curves", f"Layer sensitivity: {title}", x, y, (dense, *lines), note=note),
        Heat(
            f"sensitivity-{number}-map", f"Layer sensitivity: {title}", tuple(g.name for g in found.groups),
            tuple(f"{100 * s:.3g} %" for s in found.shares), tuple(g.accuracy for g in found.groups), x, y,
        ),
    )  # fmt: skip


def cost_sentence(found: Sensitivity) -> str:
    """What the analysis cost beside one global scoring; empty where it was not measured."""
    whole_analysis, scoring = found.seconds.get("sensitivity"), found.seconds.get("one_global_scoring")
    if not whole_analysis or not scoring:
        return ""
    return (
        f"The analysis took {whole_analysis:.3g} s, one global scoring of all layers takes {scoring:.3g} s: "
        f"{whole_analysis / scoring:.3g} times as long."
    )


def _shares(values: Mapping[str, object], name: str) -> tuple[float, ...]:
    return tuple(share({f"{name}[{i}]": value}, f"{name}[{i}]") for i, value in enumerate(sequence(values, name)))
