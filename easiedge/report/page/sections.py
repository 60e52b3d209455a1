"""Runs that may be held beside each other: one section for each pair of data and network.

Data are the same where classes, images of each and their form are (`easiedge.data.contents`).  Older runs do not say; of those, data
that anyone can bring count as others where they lie elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from easiedge.report.page.labels import series_key, series_labels, setting_labels, shorten
from easiedge.report.page.settings import ROOT, Key, Setting, settings_of
from easiedge.report.runs.run import Run

KNOWN = "easiedge.data."
ANYONES = (f"{KNOWN}image_folder.", f"{KNOWN}imagenet.")


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
    same = _same_data(runs)
    found: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        found.setdefault((run.data, run.model, *same(run)), []).append(run)
    alike = Counter((data, model) for data, model, *_ in found)
    return tuple(
        Section(
            number, _told_apart(members[0]) if alike[data, model] > 1 else data, model, tuple(r for r in members if r.pruned is None),
            settings_of([r for r in members if r.pruned is not None]),
        )
        for number, ((data, model, *_), members) in enumerate(found.items(), 1)
    )  # fmt: skip


def _same_data(runs: Sequence[Run]) -> Callable[[Run], tuple[str, str]]:
    """What must agree, beside the name, for data to be the same; an older run of well-known data joins those that say, if these agree."""
    digests: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        if run.contents:
            digests.setdefault((run.data, _maker(run)), set()).add(run.contents["digest"])

    def same(run: Run) -> tuple[str, str]:
        made = _maker(run)
        if run.contents:
            return made, run.contents["digest"]
        if not made.startswith(KNOWN) or made.startswith(ANYONES):
            return made, str(run.config.get(ROOT, ""))
        said = digests.get((run.data, made), set())
        return made, next(iter(said)) if len(said) == 1 else ""

    return same


def _maker(run: Run) -> str:
    return str(run.config.get("data._target_", ""))


def _told_apart(run: Run) -> str:
    """The data's name, with what tells it from others of that name."""
    if run.contents:
        about = f"{run.contents['images']:,} images of {run.contents['classes']} classes, {run.contents['digest'][:4]}"
    else:
        about = str(run.config.get(ROOT) or _maker(run))
    return f"{run.data} ({shorten(about)})"
