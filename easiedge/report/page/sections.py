"""Runs that may be held beside each other: one section for each pair of data and network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from easiedge.report.page.labels import series_key, series_labels, setting_labels
from easiedge.report.page.settings import Key, Setting, settings_of
from easiedge.report.runs.run import Run


@dataclass(frozen=True, eq=False)
class Section:
    """All runs of one network on one data set.

    Attributes:
        number: of the section on the page, from 1.
        dense: runs of ``easiedge train``.
        settings: those of the runs that prune.
    """

    number: int
    data: str
    model: str
    dense: tuple[Run, ...]
    settings: tuple[Setting, ...]

    @property
    def title(self) -> str:
        """Network and data."""
        return f"{self.model} on {self.data}"

    @property
    def runs(self) -> list[Run]:
        """The runs that prune."""
        return [run for setting in self.settings for run in setting.runs]

    @cached_property
    def labels(self) -> dict[Key, str]:
        """Name of each setting."""
        return setting_labels(self.settings)

    @cached_property
    def series(self) -> dict[str, list[Setting]]:
        """Settings that differ only in the budget, by the name of the series."""
        names = series_labels(self.settings)
        found: dict[str, list[Setting]] = {}
        for setting in self.settings:
            found.setdefault(names[series_key(setting)], []).append(setting)
        return found

    @property
    def seeds(self) -> int:
        """The largest number of seeds of any setting."""
        return max((len({run.seed for run in s.runs}) for s in self.settings), default=0)


def sections_of(runs: Sequence[Run]) -> tuple[Section, ...]:
    """Sections in the order in which their first runs are met."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.data, run.model), []).append(run)
    return tuple(
        Section(
            number, data, model, tuple(r for r in members if r.pruned is None),
            settings_of([r for r in members if r.pruned is not None]),
        )
        for number, ((data, model), members) in enumerate(found.items(), 1)
    )  # fmt: skip
