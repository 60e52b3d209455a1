"""The closing table of a search with several objectives: what no other trial beats in all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from easiedge.errors import EasiEdgeError
from easiedge.report.objectives import objectives_of


@dataclass(frozen=True)
class Trial:
    """One job of a search.

    Attributes:
        job: its number, the name of its directory.
        values: its objectives; None if it failed.
        overrides: the values that were tried, as on the command line.
        facts: its metrics.json.
    """

    job: str
    values: tuple[float, ...] | None
    overrides: tuple[str, ...]
    facts: Mapping[str, Any]


def pareto(values: Sequence[Sequence[float]], directions: Sequence[str]) -> list[int]:
    """Positions of the values that no other is at least as good as in everything and better than in something."""
    signs = [1.0 if d == "maximize" else -1.0 for d in directions]
    rows = [tuple(s * v for s, v in zip(signs, row, strict=True)) for row in values]

    def beaten(row: tuple[float, ...]) -> bool:
        return any(other != row and all(a >= b for a, b in zip(other, row, strict=True)) for other in rows)

    return [i for i, row in enumerate(rows) if not beaten(row)]


def trials_in(directory: Path, names: Sequence[str]) -> list[Trial]:
    """The jobs of a sweep by number; one without whole figures has failed."""
    found = []
    for folder in sorted((p for p in directory.iterdir() if p.name.isdigit()), key=lambda p: int(p.name)):
        overrides = folder / ".hydra" / "overrides.yaml"
        tried = tuple(map(str, OmegaConf.load(overrides))) if overrides.is_file() else ()
        try:
            facts = json.loads((folder / "metrics.json").read_text())
            value = objectives_of(facts, names)
            values = value if isinstance(value, tuple) else None if value is None else (value,)
            found.append(Trial(folder.name, values, tried, facts))
        except (OSError, ValueError, RecursionError, EasiEdgeError):
            found.append(Trial(folder.name, None, tried, {}))
    return found


def print_pareto(
    directory: Path, names: Sequence[str], directions: Sequence[str], console: Console | None = None
) -> None:
    """Print the Pareto set of the sweep in ``directory`` with the values tried, and say which trials failed.

    Raises:
        SystemExit: with status 1, when every trial failed.
    """
    out, trials = console or Console(), trials_in(directory, names)
    done = [(t, t.values) for t in trials if t.values is not None]
    failed = [t.job for t in trials if t.values is None]
    if done:
        best = sorted((done[i] for i in pareto([v for _, v in done], directions)), key=lambda pair: pair[1])
        out.print(f"{len(best)} of {len(done)} trials are not beaten by another in every objective", highlight=False)
        common = set.intersection(*(set(t.overrides) for t in trials)) if len(trials) > 1 else set()
        out.print(_table(best, names, directions, common))
        out.print(f"each trial's network is in {directory}/TRIAL/pruned", highlight=False, soft_wrap=True)
    if failed:
        text = f"{len(failed)} of {len(trials)} trials failed ({', '.join(failed)}): the log above says why"
        out.print(text, style="yellow", highlight=False)
    if not done:
        raise SystemExit(1)


def _table(
    best: Sequence[tuple[Trial, tuple[float, ...]]],
    names: Sequence[str],
    directions: Sequence[str],
    common: AbstractSet[str],
) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("trial", justify="right")
    for name, direction in zip(names, directions, strict=True):
        table.add_column(f"{name}\n({direction})", justify="right")
    table.add_column("test\naccuracy", justify="right")
    table.add_column("tried", overflow="fold")
    for trial, values in best:
        accuracy = trial.facts.get("pruned", {}).get("accuracy")
        different = [_short(o) for o in trial.overrides if o not in common]
        table.add_row(
            trial.job,
            *map(_number, values),
            "-" if accuracy is None else f"{100 * accuracy:.2f} %",
            " ".join(different),
        )
    return table


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.0f}"


def _short(override: str) -> str:
    """``key=value`` with a long fraction rounded."""
    key, _, value = override.partition("=")
    try:
        return f"{key}={float(value):.4g}"
    except ValueError:
        return override


class PrintPareto(Callback):
    """Hydra's hook around a sweep; directions and objectives come from the configuration."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Optuna's own lines, coloured wherever they go, are left out: the sweeper says the same."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table where there are several objectives."""
        names = list(config.objectives)
        if names:
            directions = config.hydra.sweeper.direction
            given = [directions] if isinstance(directions, str) else list(directions)
            print_pareto(Path(config.hydra.sweep.dir), names, [str(getattr(d, "name", d)) for d in given])
