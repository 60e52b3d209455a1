"""Which values of the configuration differ between the runs, and how often each occurs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from easiedge.report.page.settings import configurations, differing_names
from easiedge.report.runs.run import Run

MOST_VALUES = 8


@dataclass(frozen=True)
class Difference:
    """One name of the configuration.

    Attributes:
        values: the commonest ones as text, with the number of runs that have them.
        more: how many values are not listed.
    """

    name: str
    values: tuple[tuple[str, int], ...]
    more: int


def differences(runs: Sequence[Run]) -> list[Difference]:
    """Every name that differs, but for seeds and what has no effect on results."""
    configs = configurations(runs)
    found = []
    for name in differing_names(configs):
        counts = Counter("(absent)" if name not in config else text_of(config[name]) for config in configs)
        values = counts.most_common(MOST_VALUES)
        found.append(Difference(name, tuple(values), len(counts) - len(values)))
    return found


def text_of(value: object) -> str:
    """As it stands in YAML."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
