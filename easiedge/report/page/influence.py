"""Accuracy against one number of the configuration, where all else is equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from easiedge.plain_values import is_number
from easiedge.report.page.settings import BUDGET, Key, Setting
from easiedge.report.runs.run import Setting as Value


@dataclass(frozen=True, eq=False)
class Influence:
    """One number of the configuration that varies.

    Attributes:
        name: in the configuration.
        along: names that change with it, one to one, in every run that has both; the effect cannot be told from theirs.
        families: settings that are otherwise equal, by rising value; at least two values each.
    """

    name: str
    along: tuple[str, ...]
    families: tuple[tuple[Setting, ...], ...]


def influences(settings: Sequence[Setting]) -> tuple[Influence, ...]:
    """Every number that varies between otherwise equal settings, those with most settings first; budgets have charts of their own."""
    configs = [s.values for s in settings]
    names = sorted({n for c in configs for n, v in c.items() if is_number(v) and not n.startswith(BUDGET)})
    found: list[Influence] = []
    taken: set[str] = set()
    for name in names:
        if name in taken:
            continue
        along = tuple(other for other in names if other != name and _together(configs, name, other))
        families: dict[Key, list[Setting]] = {}
        for setting, config in zip(settings, configs, strict=True):
            if is_number(config.get(name)):
                families.setdefault(setting.without(name, *along), []).append(setting)
        several = [
            tuple(sorted(family, key=lambda s: value_of(s, name)))
            for family in families.values()
            if len({s.values[name] for s in family}) > 1
        ]
        if several:
            taken |= {name, *along}
            found.append(Influence(name, along, tuple(several)))
    return tuple(sorted(found, key=lambda i: -sum(map(len, i.families))))


def value_of(setting: Setting, name: str) -> float:
    """The number under ``name``."""
    value = setting.values[name]
    assert isinstance(value, int | float)
    return float(value)


def _together(configs: Sequence[dict[str, Value]], a: str, b: str) -> bool:
    """Whether each value of one goes with one value of the other, wherever a configuration has both."""
    pairs = {(c[a], c[b]) for c in configs if a in c and b in c}
    return len(pairs) > 1 and len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs})
