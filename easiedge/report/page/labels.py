"""Short names for settings and for series: only what tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from easiedge.report.page.settings import BUDGET, SCOPE, Key, Setting
from easiedge.report.runs.run import Setting as Value

FIRST = ("scoring.criterion", "compensation.name", "recipe.finetune.epochs", "recipe.admm.epochs", "schedule._target_")
LONGEST = 90


def budget_label(requested: Mapping[str, float]) -> str:
    """Such as ``filters -50 %, latency <= 2 ms``; empty where nothing has to go."""
    parts = []
    for name, value in requested.items():
        if name.endswith("_removed"):
            if value == 0:  # a control, from which nothing goes
                continue
            parts.append(f"{name.removesuffix('_removed')} \N{MINUS SIGN}{100 * value:.4g} %")
        else:
            quantity, unit = [*name.split("_"), ""][:2]
            parts.append(f"{quantity} \N{LESS-THAN OR EQUAL TO} {value:.4g} {unit.replace('mb', 'MB')}")
    return ", ".join(parts)


def series_key(setting: Setting) -> Key:
    """What the settings along one curve share: all but the budget."""
    return setting.without(BUDGET)


def series_labels(settings: Sequence[Setting]) -> dict[Key, str]:
    """A name for each series: method, scope, and of the configuration the fewest names that tell the series apart."""
    found: dict[Key, Setting] = {}
    for setting in settings:
        found.setdefault(series_key(setting), setting)
    heads = {key: f"{s.method}, {s.scope}" if s.scope else s.method for key, s in found.items()}
    labels: dict[Key, str] = {}
    for head in dict.fromkeys(heads.values()):
        keys = [key for key, h in heads.items() if h == head]
        for key, tail in zip(keys, _tails([dict(key) for key in keys]), strict=True):
            labels[key] = shorten(f"{head}, {tail}" if tail else head)
    return numbered(labels)


def setting_labels(settings: Sequence[Setting]) -> dict[Key, str]:
    """A name for each setting: its series and its budget."""
    of_series = series_labels(settings)
    found = {}
    for setting in settings:
        budget = budget_label(setting.requested)
        series = of_series[series_key(setting)]
        found[setting.key] = f"{series}, {budget}" if budget else series
    return numbered(found)


def shorten(text: str) -> str:
    """At most ``LONGEST`` characters, without control characters."""
    return cut("".join(c if c.isprintable() else " " for c in text), LONGEST)


def cut(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis: ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def numbered(labels: dict[Key, str]) -> dict[Key, str]:
    """The same, with a number behind names that occur again."""
    seen: dict[str, int] = {}
    result = {}
    for key, label in labels.items():
        seen[label] = seen.get(label, 0) + 1
        result[key] = label if seen[label] == 1 else f"{label} ({seen[label]})"
    return result


def _tails(configs: Sequence[Mapping[str, Value]]) -> list[str]:
    """Greedily the names that split the configurations further, until all are apart."""
    names = sorted(
        {n for c in configs for n in c} - {SCOPE},
        key=lambda n: (n not in FIRST, FIRST.index(n) if n in FIRST else 0, n),
    )
    chosen: list[str] = []
    classes = [()] * len(configs)  # type: list[tuple[object, ...]]
    for name in names:
        if len(set(classes)) == len(configs):
            break
        finer = [(*c, config.get(name, "absent")) for c, config in zip(classes, configs, strict=True)]
        if len(set(finer)) > len(set(classes)):
            chosen, classes = [*chosen, name], finer
    lasts = [name.rpartition(".")[2] for name in chosen]
    shown = [
        ".".join(n.split(".")[-2:]) if lasts.count(last) > 1 else last for n, last in zip(chosen, lasts, strict=True)
    ]
    return [
        ", ".join(f"{s}={c[n]}" for s, n in zip(shown, chosen, strict=True) if n in c and c[n] is not None)
        for c in configs
    ]


def without_scope(label: str, scope: str) -> str:
    """The label, its scope taken out."""
    return label.replace(f", {scope}", "", 1) if scope else label
