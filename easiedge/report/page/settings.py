r"""Settings: runs that differ in nothing but the seed.

The identity of a setting is its configuration without what cannot change a result (logger, progress bars, where the data lies)
and without what only follows the seed: keys called ``seed`` that hold it in every run, and ``weights``, where every seed has its
own file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from easiedge.deciding import decides
from easiedge.report.paired import Spread, spread
from easiedge.report.runs.run import Run
from easiedge.report.runs.run import Setting as Value

SCOPE = "projection.scope"
ROOT = "data.root"  # the same data may lie elsewhere on another machine
BUDGET = "budget."
Key = tuple[tuple[str, Value], ...]


@dataclass(frozen=True, eq=False)
class Setting:
    """Runs of one configuration.

    Attributes:
        key: the configuration, as far as it differs within the section; a name that a run does not have is left out.
        runs: of the setting, one a seed as a rule.
    """

    key: Key
    runs: tuple[Run, ...]

    @property
    def values(self) -> dict[str, Value]:
        """The configuration, as far as it differs."""
        return dict(self.key)

    @property
    def method(self) -> str:
        """The preset that most of the runs name."""
        return Counter(run.method for run in self.runs).most_common(1)[0][0]

    @property
    def scope(self) -> str:
        """``global`` or ``layerwise``; empty where the configuration does not say."""
        return self.runs[0].scope or ""

    @property
    def requested(self) -> Mapping[str, float]:
        """The budget that was asked for."""
        found: Mapping[str, float] = self.runs[0].metrics.get("budget", {}).get("requested", {})
        return found

    def by_seed(self, figure: Callable[[Run], float]) -> dict[int, float]:
        """A figure of each seed; a seed that was run again counts once, with the mean."""
        found: dict[int, list[float]] = {}
        for run in self.runs:
            found.setdefault(run.seed, []).append(figure(run))
        return {seed: sum(values) / len(values) for seed, values in found.items()}

    def mean(self, figure: Callable[[Run], float]) -> float:
        """Of a figure, each seed counted once."""
        values = self.by_seed(figure).values()
        return sum(values) / len(values)

    def left(self, quantity: str) -> float:
        """Share of ``filters``, ``params`` or ``macs`` that stays, the mean over the seeds."""
        return self.mean(lambda run: 1.0 - (run.removed(quantity) or 0.0))

    @cached_property
    def accuracies(self) -> dict[int, float]:
        """Test accuracy at the end of each seed."""
        return self.by_seed(lambda run: run.accuracy)

    @cached_property
    def accuracy(self) -> Spread:
        """Mean and interval of the test accuracy."""
        return spread(list(self.accuracies.values()))

    def without(self, *names: str) -> Key:
        """The key but for these names; one that ends in a dot stands for all that begin with it."""
        prefixes = tuple(n for n in names if n.endswith("."))
        return tuple(
            (name, value)
            for name, value in self.key
            if name not in names and not (prefixes and name.startswith(prefixes))
        )


def settings_of(runs: Sequence[Run]) -> tuple[Setting, ...]:
    """The runs by setting, in the order in which each is met first."""
    configs = configurations(runs)
    differing = differing_names(configs)
    found: dict[Key, list[Run]] = {}
    for run, config in zip(runs, configs, strict=True):
        found.setdefault(tuple((name, config[name]) for name in differing if name in config), []).append(run)
    return tuple(Setting(key, tuple(members)) for key, members in found.items())


def configurations(runs: Sequence[Run]) -> list[dict[str, Value]]:
    """Of each run: what can tell it from the others, beside the seed."""
    configs = [_effective(run) for run in runs]
    names = {name for config in configs for name in config if name.rpartition(".")[2] in ("seed", "weights")}
    for name in names:
        if _follows_seed(name, runs, configs):
            for config in configs:
                config.pop(name, None)
    return configs


def _effective(run: Run) -> dict[str, Value]:
    """The configuration without what has no effect, and with the budget that was in force."""
    kept = {
        name: value
        for name, value in run.config.items()
        if decides(name) and name != ROOT and not name.startswith(BUDGET)
    }
    for name, limit in run.metrics.get("budget", {}).get("requested", {}).items():
        kept[f"{BUDGET}{name}"] = limit
    return kept


def differing_names(configs: Iterable[Mapping[str, Value]]) -> list[str]:
    """Names that have two values somewhere, or are absent somewhere, sorted."""
    first: dict[str, Value] = {}
    counts: Counter[str] = Counter()
    differing: set[str] = set()
    total = 0
    for config in configs:
        total += 1
        for name, value in config.items():
            counts[name] += 1
            if first.setdefault(name, value) != value:
                differing.add(name)
    return sorted(differing | {name for name, count in counts.items() if count < total})


def _follows_seed(name: str, runs: Sequence[Run], configs: Sequence[Mapping[str, Value]]) -> bool:
    """Whether a seed is that of the run in each of them, or ``weights`` another file for every seed and the same for all runs of one."""
    if name != "weights":
        return all(config.get(name, run.seed) == run.seed for run, config in zip(runs, configs, strict=True))
    pairs = {(run.seed, config.get(name)) for run, config in zip(runs, configs, strict=True)}
    return len(pairs) == len({seed for seed, _ in pairs}) == len({value for _, value in pairs})
